import { describe, expect, it } from "vitest";
import { EDGES, projectBox } from "../../src/rooms/datasets/boxes3d";
import { draft } from "../../src/rooms/datasets/dataset_draft.svelte";
import type { CostEstimate } from "../../src/rooms/datasets/estimate";
import { sortSteps, sumUnits } from "../../src/rooms/datasets/funnel";
import { type Opinion, type Opinions, decide, explain, toReviews } from "../../src/rooms/datasets/opinions";

const NONE: Opinions = new Map();

function opinion(track: number | null, verdict: Opinion["verdict"]): Opinion {
  return { clip: "0f3a9c2e", track, verdict, reason: null, at: "2026-05-04T03:02:01Z" };
}

describe("opinions about a dataset", () => {
  it("are one for each clip and track; the newest counts, and the same again takes it back", () => {
    let opinions = decide(decide(decide(NONE, opinion(2, "keep")), opinion(null, "reject")), opinion(2, "reject"));
    expect(toReviews(opinions).map(({ track, verdict }) => [track, verdict])).toEqual([[2, "reject"], [null, "reject"]]);
    opinions = decide(opinions, opinion(2, "reject"));
    expect(toReviews(opinions).map(({ track }) => track)).toEqual([null]);
    expect(NONE.size).toBe(0);
  });

  it("have reasons where somebody wrote one", () => {
    const opinions = explain(decide(NONE, opinion(2, "reject")), "0f3a9c2e/2", " a mirror ");
    expect(toReviews(opinions)[0]?.reason).toBe("a mirror");
    expect(explain(opinions, "0f3a9c2e/2", " ").get("0f3a9c2e/2")?.reason).toBeNull();
    expect(explain(opinions, "0f3a9c2e", "nobody decided about this")).toBe(opinions);
  });
});

describe("boxes in 3D", () => {
  const camera = { frame: 0n, fx: 100, fy: 100, cx: 50, cy: 40 };
  const seen = { frame: 0n, track: 1n, x0: 0, y0: 0, x1: 1, y1: 1, box3d_source: "given", size: [2, 4, 2] };

  it("are projected corner by corner", () => {
    const corners = projectBox({ ...seen, center_cam: [0, 0, 5], rotation_cam: [1, 0, 0, 0] }, camera);
    // the near face is at z = 4, the far one at z = 6
    expect(corners?.[0]).toEqual([50 - 25, 40 - 50]);
    expect(corners?.[7]?.[0]).toBeCloseTo(50 + 100 / 6);
    // a quarter turn about the axis of view exchanges width and height
    const turned = projectBox({ ...seen, center_cam: [0, 0, 5], rotation_cam: [Math.SQRT1_2, 0, 0, Math.SQRT1_2] }, camera);
    expect(Math.min(...(turned ?? []).map(([x]) => x))).toBeCloseTo(50 - 50);
  });

  it("are not drawn where they reach behind the camera, or are unknown", () => {
    expect(projectBox({ ...seen, center_cam: [0, 0, 0.5], rotation_cam: [1, 0, 0, 0] }, camera)).toBeNull();
    expect(projectBox({ ...seen, center_cam: null, rotation_cam: null }, camera)).toBeNull();
  });

  it("have twelve edges, each along one axis", () => {
    expect(EDGES).toHaveLength(12);
    expect(EDGES.every(([a, b]) => [1, 2, 4].includes(b - a))).toBe(true);
  });
});

describe("a funnel that fills", () => {
  // the first clip had no tracks: their gates came after its captions
  const steps = [
    { stage: "shots", unit: "frames", given: 900, kept: 800 },
    { stage: "motion", unit: "clips", given: 9, kept: 7 },
    { stage: "found", unit: "clips", given: 3, kept: 2 },
    { stage: "caption", unit: "captions", given: 4, kept: 4 },
    { stage: "area", unit: "tracks", given: 6, kept: 5 },
    { stage: "blur", unit: "tracks", given: 5, kept: 1 },
  ];

  it("has its steps in the order in which one thing becomes another", () => {
    expect(sortSteps(steps).map(({ stage }) => stage)).toEqual(["shots", "motion", "found", "area", "blur", "caption"]);
  });

  it("says of each unit what entered its first step and left its last", () => {
    expect(sumUnits(steps).map(({ unit, given, kept }) => `${kept} of ${given} ${unit}`)).toEqual([
      "800 of 900 frames",
      "2 of 9 clips",
      "1 of 6 tracks",
      "4 of 4 captions",
    ]);
  });
});

describe("the draft of a dataset", () => {
  const cost: CostEstimate = { workerSeconds: 1, videoSeconds: 2, keptSeconds: 1, bytes: 3, secondsByStage: [] };

  it("shows an estimate only while what it was made for is still asked for", () => {
    draft.bucket = "s3://bucket/*.mp4";
    draft.text = "cup";
    const request = draft.build();
    draft.setCost(request, cost);
    expect(draft.cost).toBe(cost);
    draft.text = "cup, person";
    expect(draft.cost).toBeNull();
    draft.text = "cup";
    expect(draft.cost).toBe(cost);
    // changed while the trial ran
    draft.size = 512;
    draft.setCost(request, cost);
    expect(draft.cost).toBeNull();
  });
});
