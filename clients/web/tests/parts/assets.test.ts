import type { Job } from "maquette";
import { describe, expect, it } from "vitest";
import { listAssets } from "../../src/rooms/assets/assets";

const OBJECT = { index: 0, label: "cup", mesh: null, splat: null, confidence: 0.9, silhouette_iou: 0.8, faces: 12, gaussians: 5 };
const GROUND = { normal: [0, -1, 0], offset: 1.5, inlier_share: 0.914, scale_source: "metric", flags: ["depth_unit_assumed"] };

function makeJob(result: object): Job {
  return { id: "job_1", result: { result, artefacts: [], flags: [], provenance: { sources: [] } } } as unknown as Job;
}

describe("the ground of a result", () => {
  it.each([
    { kind: "objects", objects: [OBJECT] },
    { kind: "scene", nodes: [] },
  ])("is shown beside the assets of $kind", (result) => {
    const [asset] = listAssets(makeJob({ ...result, ground: GROUND }));
    expect(asset?.facts).toContainEqual(["camera from the ground", "1.50 m"]);
    expect(asset?.facts).toContainEqual(["points on the ground", "91 %"]);
    expect(asset?.flags).toContain("depth_unit_assumed");
  });

  it("has no metres where no scale is known", () => {
    const [asset] = listAssets(makeJob({ kind: "scene", nodes: [], ground: { ...GROUND, scale_source: "relative" } }));
    expect(asset?.facts).toContainEqual(["camera from the ground", "1.50"]);
  });

  it("is not shown where none was asked for", () => {
    const [asset] = listAssets(makeJob({ kind: "scene", nodes: [], ground: null }));
    expect(asset?.facts).toEqual([]);
  });
});
