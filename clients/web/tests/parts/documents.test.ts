import type { Instance, Rle } from "maquette";
import { describe, expect, it } from "vitest";
import { History } from "../../src/lib/history.svelte";
import { decodeRle, encodeRle } from "../../src/lib/rle";
import { applyStroke } from "../../src/rooms/image/brush";
import { EMPTY, addGroup, change, listShown, mergeObjects, putPrompted, removeGroup, setThreshold } from "../../src/rooms/image/document";

const [WIDTH, HEIGHT] = [20, 10];

/** A filled rectangle as a mask of 20 × 10 pixels. */
function square(x: number, y: number, size: number): Rle {
  return encodeRle({ x, y, width: size, height: size, data: new Uint8Array(size * size).fill(1) }, WIDTH, HEIGHT);
}

function instance(score: number, x = 0): Instance {
  const box = { x0: x, y0: 0, x1: x + 2, y1: 2 };
  return { index: 0, label: "cup", score, box, area: 4, mask: square(x, 0, 2), prompt: { kind: "text", index: 0 } };
}

const GROUP = { id: "phrase:cup", kind: "phrase", title: "cup", exemplars: [], threshold: 0.5, floor: 0.1 } as const;
const CUPS = addGroup(EMPTY, { ...GROUP, exemplars: [] }, [instance(0.3), instance(0.9, 4), instance(0.6, 8)], "job");

describe("the masks of an image", () => {
  it("are shown from their group's threshold on, and kept below it", () => {
    expect(listShown(CUPS).map((object) => object.score)).toEqual([0.9, 0.6]);
    expect(listShown(setThreshold(CUPS, GROUP.id, 0.2))).toHaveLength(3);
    expect(listShown(setThreshold(CUPS, GROUP.id, 0.95))).toEqual([]);
    expect(CUPS.objects).toHaveLength(3);
  });

  it("have colours of their own where they are shown first", () => {
    const more = putPrompted(CUPS, null, { points: [] }, instance(0.8, 12), "job");
    const colors = listShown(more).map((object) => object.color);
    expect(new Set(colors).size).toBe(3);
  });

  it("of a phrase are replaced when it is asked for again, and go with it", () => {
    const again = addGroup(CUPS, { ...GROUP, exemplars: [] }, [instance(0.7)], "job");
    expect([again.groups.length, again.objects.length]).toEqual([1, 1]);
    expect(removeGroup(CUPS, GROUP.id).objects).toEqual([]);
  });

  it("keep their label when they are refined, and leave the group", () => {
    const id = CUPS.objects[0]?.id ?? 0;
    const refined = putPrompted(change(CUPS, [id], (object) => ({ ...object, label: "mug" })), id, {}, instance(0.2), "job");
    expect(refined.objects[0]).toMatchObject({ id, label: "mug", group: null });
    expect(listShown(refined)).toHaveLength(2);
  });

  it("are merged to what any of them shows", () => {
    const ids = CUPS.objects.slice(0, 2).map((object) => object.id);
    const merged = mergeObjects(CUPS, ids);
    expect(merged.objects).toHaveLength(2);
    expect(merged.objects[0]).toMatchObject({ area: 8, box: { x0: 4, y0: 0, x1: 10, y1: 2 }, score: null });
  });
});

describe("the brush", () => {
  const count = (rle: Rle) => decodeRle(rle).data.reduce((sum, value) => sum + value, 0);

  it("adds what it passes, also between two distant points", () => {
    const points = [{ x: 2, y: 5 }, { x: 17, y: 5 }];
    const painted = applyStroke(square(0, 0, 2), { points, radius: 1, erases: false });
    expect(painted && count(painted.rle)).toBeGreaterThan(4 + 2 * 15);
  });

  it("erases, stays within the image, and leaves no empty mask", () => {
    const points = [{ x: 0, y: 0 }];
    const erased = applyStroke(square(0, 0, 4), { points, radius: 2, erases: true });
    expect(erased && count(erased.rle)).toBeLessThan(16);
    expect(applyStroke(square(0, 0, 2), { points, radius: 9, erases: true })).toBeNull();
  });
});

describe("undo", () => {
  it("goes back and forth, and forgets the way that was left", () => {
    const history = new History("a");
    history.push("b");
    history.push("c");
    history.undo();
    history.undo();
    expect([history.current, history.canUndo, history.canRedo]).toEqual(["a", false, true]);
    history.redo();
    expect(history.current).toBe("b");
    history.push("d");
    expect(history.canRedo).toBe(false);
    history.undo();
    expect(history.current).toBe("b");
  });
});
