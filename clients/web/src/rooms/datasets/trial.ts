import type { DatasetJob, Media } from "maquette";
import { service } from "../../lib/service";
import { throwUnlessSucceeded } from "../image/segmenting";
import { type CostEstimate, type Timing, chooseTrial, scaleTrial } from "./estimate";

const TRIAL_CLIPS = 4;

/**
 * Run the trial of a dataset and say what all of it will cost.
 *
 * Of the videos that were sent, some are tried; sizes in a bucket are not known here, so there all are surveyed,
 * and clips of them are tried.
 */
export async function estimate(request: DatasetJob, videos: readonly Media[]): Promise<CostEstimate | null> {
  const isSurveyed = (request.buckets?.length ?? 0) > 0;
  const chosen = isSurveyed ? videos : chooseTrial(videos);
  // the budget is for all of it
  const trial = { ...request, videos: chosen.map(({ id }) => ({ id })), sources: [], max_clips: TRIAL_CLIPS, max_seconds: null };
  let job = await service.submit(trial);
  job = await service.waitFor(job.id);
  throwUnlessSucceeded(job);
  const file = job.result?.artefacts.find(({ name }) => name === "timing.json");
  if (!file) return null;
  const timing = (await (await service.artefact(file.sha256)).json()) as Timing;
  const sum = (files: readonly Media[]) => files.reduce((total, media) => total + media.bytes, 0);
  return isSurveyed ? scaleTrial(timing, 1, 1) : scaleTrial(timing, sum(chosen), sum(videos));
}
