import { describe, expect, it } from "vitest";
import { chooseTrial, scaleTrial } from "../../src/rooms/datasets/estimate";
import { addRows, findDoubt, findVisibility, listSpans } from "../../src/rooms/video/tracks";

const MASK = { size: [2, 2], counts: "04" };

function row(frame: number, ...objects: { id: number; score?: number; flags?: string[] }[]): string {
  const full = objects.map(({ id, score = 0.9, flags = [] }) => ({ id, label: "ball", box: [0, 0, 2, 2], score, mask: MASK, flags }));
  return `${JSON.stringify({ frame, pts: frame, objects: full })}\n`;
}

const TEXT = row(0, { id: 1 }) + row(1, { id: 1, flags: ["occluded"] }) + row(2) + row(3, { id: 1, score: 0.3 }) + row(4, { id: 1 });

describe("tracks", () => {
  it("say in each frame what is known of an object", () => {
    const track = addRows(new Map(), TEXT).get(1);
    if (!track) throw new Error("no track");
    expect([-1, 0, 1, 2, 3, 4, 5].map((frame) => findVisibility(track, frame))).toEqual([null, "seen", "occluded", "lost", "unsure", "seen", null]);
    expect(listSpans(track).map((span) => [span.first, span.last, span.visibility])).toEqual([
      [0, 0, "seen"],
      [1, 1, "occluded"],
      [2, 2, "lost"],
      [3, 3, "unsure"],
      [4, 4, "seen"],
    ]);
  });

  it("are replaced frame by frame when they are tracked again", () => {
    const tracks = addRows(addRows(new Map(), TEXT), row(1, { id: 1 }) + row(2, { id: 2 }));
    const [first, second] = [tracks.get(1), tracks.get(2)];
    expect(first && findVisibility(first, 1)).toBe("seen");
    expect(first?.sightings.has(2)).toBe(false);
    expect(second?.sightings.has(2)).toBe(true);
  });

  it("lead to the doubtful frames, both ways", () => {
    const tracks = addRows(new Map(), TEXT);
    expect([0, 1, 2, 3].map((frame) => findDoubt(tracks.values(), frame, 1))).toEqual([1, 2, 3, null]);
    expect([4, 1].map((frame) => findDoubt(tracks.values(), frame, -1))).toEqual([3, null]);
  });
});

describe("the estimate of a dataset", () => {
  // as clients/python/maquette/cost_estimate.py computes it
  const timing = { video_seconds: 100, passed_seconds: 40, done_seconds: 10, done_bytes: 1000, stages: { survey: 5, tracks: 20 } };

  it("scales the survey by all video, and what follows by what passes", () => {
    expect(scaleTrial(timing, 10, 30)).toEqual({
      videoSeconds: 300,
      keptSeconds: 120,
      workerSeconds: 15 + 240,
      bytes: 12_000,
      secondsByStage: [["tracks", 240], ["survey", 15]],
    });
  });

  it("is none where no clip of the trial passed", () => {
    expect(scaleTrial({ ...timing, done_seconds: 0 }, 10, 30)).toBeNull();
  });

  it("tries three videos, evenly spread", () => {
    expect(chooseTrial([0, 1, 2, 3, 4, 5, 6, 7, 8])).toEqual([0, 3, 6]);
    expect(chooseTrial([7, 8])).toEqual([7, 8]);
  });
});
