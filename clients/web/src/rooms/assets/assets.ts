import type { Artefact, BodyResult, BodyTrack, CameraModel, GroundPlane, Job, ObjectResult, Pose, SceneResult } from "maquette";

export interface AssetFile {
  format: string;
  name: string;
  sha256: string;
  bytes: number;
}

/** One thing in 3D that a job made, whatever the kind of job. */
export interface Asset {
  title: string;
  mesh: AssetFile | null;
  splat: AssetFile | null;
  files: AssetFile[];
  flags: string[];
  /** metric and prior are metres; relative is not. */
  scale: string | null;
  /** Numbers about it, as name and value. */
  facts: [string, string][];
  camera: CameraModel | null;
  pose: Pose | null;
  /** The upload that it was made from. */
  source: string | null;
}

/** Kinds of jobs that make something in 3D. */
export const ASSET_KINDS = ["objects", "bodies", "scene", "convert"] as const;

type Find = (name: string | null | undefined) => AssetFile | null;

/** What a job made, in the order of its result. */
export function listAssets(job: Job): Asset[] {
  const manifest = job.result;
  if (!manifest) return [];
  const { result } = manifest;
  const files = new Map(manifest.artefacts.map((file) => [file.name, file]));
  const find: Find = (name) => toFile(name ? files.get(name) : undefined);
  const all = manifest.artefacts.flatMap((file) => toFile(file) ?? []);
  const source = manifest.provenance.sources[0] ?? null;
  const shared = manifest.flags ?? [];
  switch (result.kind) {
    case "objects":
      return result.objects.map((object) => ({ ...addGround(describeObject(object, find, shared), result.ground), source }));
    case "bodies":
      return [
        ...(result.bodies ?? []).map((body) => ({ ...describeBody(body, find), source })),
        ...(result.tracks ?? []).map((track) => ({ ...describeMotion(track, find), source })),
      ];
    case "scene":
      return [{ ...addGround(describeScene(result, find, all), result.ground), source }];
    case "convert": {
      const mesh = all.find((file) => file.format === "glb") ?? null;
      const splat = all.find((file) => file.format === "ply") ?? null;
      return [{ ...UNPOSED, title: "asset", mesh, splat, files: all, flags: [], scale: null, facts: [], source }];
    }
    default:
      return [];
  }
}

const UNPOSED = { camera: null, pose: null };

function describeObject(object: ObjectResult, find: Find, shared: string[]): Omit<Asset, "source"> {
  const names = [...Object.values(object.files ?? {}), ...Object.values(object.extras ?? {})];
  return {
    title: object.label ?? `object ${object.index + 1}`,
    mesh: find(object.mesh),
    splat: find(object.splat),
    files: names.flatMap((name) => find(name) ?? []),
    flags: [...(object.flags ?? []), ...shared],
    scale: object.scale_source,
    camera: object.camera,
    pose: object.pose,
    facts: [
      ["confidence", object.confidence.toFixed(2)],
      ["outline agrees", object.silhouette_iou === null ? "not measured" : object.silhouette_iou.toFixed(2)],
      ["faces", object.faces.toLocaleString()],
      ["Gaussians", object.gaussians.toLocaleString()],
    ],
  };
}

function describeBody(body: BodyResult, find: Find): Omit<Asset, "source"> {
  return {
    ...UNPOSED,
    title: `person ${body.index + 1}`,
    mesh: find(body.mesh),
    splat: null,
    files: Object.values(body.files ?? {}).flatMap((name) => find(name) ?? []),
    flags: body.flags ?? [],
    scale: body.scale_source,
    facts: [
      ["confidence", body.confidence.toFixed(2)],
      ["height", formatHeight(body.height_m)],
      ["reprojection", `${body.reprojection_error_px.toFixed(1)} px`],
    ],
  };
}

function describeMotion(track: BodyTrack, find: Find): Omit<Asset, "source"> {
  return {
    ...UNPOSED,
    title: `person ${track.id}`,
    mesh: find(track.files["glb"]?.[0]),
    splat: null,
    files: Object.values(track.files).flat().flatMap((name) => find(name) ?? []),
    flags: track.flags ?? [],
    scale: track.scale_source,
    facts: [
      ["frames", `${track.first_frame}–${track.last_frame}`],
      ["height", formatHeight(track.height_m)],
    ],
  };
}

function describeScene(scene: SceneResult, find: Find, files: AssetFile[]): Omit<Asset, "source"> {
  return {
    ...UNPOSED,
    title: "scene",
    mesh: find(scene.mesh),
    splat: find(scene.splat),
    files,
    flags: scene.nodes.flatMap((node) => node.flags ?? []),
    scale: scene.nodes[0]?.scale_source ?? null,
    facts: scene.nodes.map((node) => [node.name, node.label ?? node.kind]),
  };
}

/** What was measured of the floor, where a mask of it was given. */
function addGround(asset: Omit<Asset, "source">, ground: GroundPlane | null | undefined): Omit<Asset, "source"> {
  if (!ground) return asset;
  const unit = ground.scale_source === "relative" ? "" : " m";
  const facts: [string, string][] = [
    ["camera from the ground", `${ground.offset.toFixed(2)}${unit}`],
    ["ground's up (camera)", ground.normal.map((value) => value.toFixed(2)).join(", ")],
    ["points on the ground", `${Math.round(ground.inlier_share * 100)} %`],
  ];
  return { ...asset, flags: [...asset.flags, ...(ground.flags ?? [])], facts: [...asset.facts, ...facts] };
}

function formatHeight(metres: number | null | undefined): string {
  return metres ? `${metres.toFixed(2)} m` : "unknown";
}

function toFile(file: Artefact | undefined): AssetFile | null {
  if (!file) return null;
  const format = file.name.split(".").at(-1) ?? "";
  return { format, name: file.name, sha256: file.sha256, bytes: file.bytes };
}
