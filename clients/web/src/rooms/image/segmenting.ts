import { type Instance, type Job, MaquetteError, type ObjectPrompt, type SegmentJob } from "maquette";
import { service } from "../../lib/service";
import { EMPTY, type ImageDocument, addGroup, putPrompted } from "./document";

const WAIT_SECONDS = 20;

/** A job that failed, as the error that its problem is. */
export function throwUnlessSucceeded(job: Job): void {
  if (job.state === "succeeded") return;
  throw new MaquetteError(
    job.problem ?? {
      type: "about:blank",
      title: job.state,
      status: 409,
      code: job.state,
      detail: `the job ended as ${job.state}`,
    },
  );
}

/** Instances of an image, and the job that found them. */
export interface Found {
  instances: Instance[];
  job: string;
  reason: string | null;
}

/** Run a segment job to its end; throws MaquetteError with the job's problem. */
export async function segment(request: Omit<SegmentJob, "kind">, signal?: AbortSignal): Promise<Found> {
  const options = { wait: WAIT_SECONDS, ...(signal ? { signal } : {}) };
  let job = await service.submit({ kind: "segment", ...request }, options);
  if (job.state === "queued" || job.state === "running") job = await service.waitFor(job.id, undefined, signal);
  throwUnlessSucceeded(job);
  const result = job.result?.result;
  return {
    instances: result?.kind === "segment" ? result.instances : [],
    job: job.id,
    reason: job.result?.reason ?? null,
  };
}

/** The best mask of one object; null where the engine found none. */
export async function segmentObject(
  image: string,
  prompt: ObjectPrompt,
  signal?: AbortSignal,
): Promise<{ instance: Instance; job: string } | null> {
  const found = await segment({ image: { id: image }, prompts: [prompt], overlay: false }, signal);
  const [instance] = found.instances;
  return instance ? { instance, job: found.job } : null;
}

/** The masks of a job that ran before, a group per phrase. */
export async function loadDocument(id: string, threshold: number): Promise<ImageDocument> {
  const job = await service.getJob(id);
  throwUnlessSucceeded(job);
  const result = job.result?.result;
  if (result?.kind !== "segment") return EMPTY;
  const phrases = (job.request?.["text"] ?? []) as string[];
  let document = EMPTY;
  phrases.forEach((title, index) => {
    const found = result.instances.filter(({ prompt }) => prompt.kind === "text" && prompt.index === index);
    const lowest = Math.min(threshold, ...found.map((instance) => instance.score ?? 1));
    const group = { id: `phrase:${title}`, kind: "phrase", title, exemplars: [], threshold: lowest, floor: 0 } as const;
    document = addGroup(document, { ...group, exemplars: [] }, found, id);
  });
  for (const instance of result.instances.filter(({ prompt }) => prompt.kind !== "text")) {
    document = putPrompted(document, null, { box: instance.box }, instance, id);
  }
  return document;
}
