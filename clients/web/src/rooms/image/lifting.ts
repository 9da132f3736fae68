import type { JobRequest } from "maquette";
import { router } from "../../lib/router.svelte";
import { service } from "../../lib/service";
import type { MaskObject } from "./document";

/** Submit a job that makes 3D of some masks, and go to where it is shown. */
export async function lift(image: string, kind: "objects" | "bodies" | "scene", chosen: readonly MaskObject[]): Promise<void> {
  const masks = chosen.map((object) => object.mask);
  const source = { image: { id: image }, masks };
  const labels = chosen.map((object) => object.label.trim() || null);
  const request: JobRequest = kind === "bodies" ? { kind, ...source } : { kind, ...source, mask_labels: labels };
  const job = await service.submit(request);
  router.go(`/3d/${job.id}`);
}
