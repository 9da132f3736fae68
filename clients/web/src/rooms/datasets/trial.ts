import type { DatasetJob, Media } from "maquette";
import { service } from "../../lib/service";
import { throwUnlessSucceeded } from "../image/segmenting";
import { type CostEstimate, type Timing, chooseTrial, scaleTrial } from "./estimate";

const TRIAL_CLIPS = 4;

/** Run the trial of a dataset and say what all of it will cost. */
export async function estimate(request: DatasetJob, videos: readonly Media[]): Promise<CostEstimate | null> {
  const chosen = chooseTrial(videos);
  const trial = { ...request, videos: chosen.map(({ id }) => ({ id })), max_clips: TRIAL_CLIPS };
  let job = await service.submit(trial);
  job = await service.waitFor(job.id);
  throwUnlessSucceeded(job);
  const file = job.result?.artefacts.find(({ name }) => name === "timing.json");
  if (!file) return null;
  const timing = (await (await service.artefact(file.sha256)).json()) as Timing;
  const sum = (files: readonly Media[]) => files.reduce((total, media) => total + media.bytes, 0);
  return scaleTrial(timing, sum(chosen), sum(videos));
}
