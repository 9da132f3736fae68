import { describe, expect, it } from "vitest";
import { Look, ViewLink } from "../../src/rooms/assets/look.svelte";
import type { View, Viewer } from "../../src/rooms/assets/viewer";

/** What a link needs of a viewer. */
class FakeViewer {
  view: View = { from: [0, 0, 3], at: [0, 0, 0] };
  onview: () => void = () => {};

  follow(view: View): void {
    this.view = view;
  }

  turn(view: View): void {
    this.view = view;
    this.onview();
  }
}

const SIDE: View = { from: [3, 0, 0], at: [0, 0, 0] };

describe("assets beside each other", () => {
  it("turn together, whichever is turned, until one leaves", () => {
    const link = new ViewLink();
    const [first, second] = [new FakeViewer(), new FakeViewer()];
    const leave = [first, second].map((viewer) => link.join(viewer as unknown as Viewer))[1];
    first.turn(SIDE);
    expect(second.view).toEqual(SIDE);
    const back: View = { from: [0, 0, -3], at: [0, 1, 0] };
    second.turn(back);
    expect(first.view).toEqual(back);
    leave?.();
    first.turn(SIDE);
    expect(second.view).toEqual(back);
  });

  it("start as the other one is seen", () => {
    const link = new ViewLink();
    const [first, second] = [new FakeViewer(), new FakeViewer()];
    for (const viewer of [first, second]) link.join(viewer as unknown as Viewer);
    first.view = SIDE;
    link.align(second as unknown as Viewer);
    expect(second.view).toEqual(SIDE);
  });

  it("share a shading, which the same key takes back", () => {
    const look = new Look();
    look.toggle("normals");
    expect(look.shading).toBe("normals");
    look.toggle("normals");
    expect(look.shading).toBe("material");
  });
});
