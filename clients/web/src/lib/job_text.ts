import type { Job, Progress } from "maquette";
import { formatCount, formatSeconds } from "./format";

const STATE_TONES: Record<Job["state"], string> = {
  queued: "",
  running: "busy",
  succeeded: "good",
  failed: "bad",
  cancelled: "warn",
  expired: "bad",
};

/** The class of the chip that shows a state; the word itself says the same. */
export function findTone(state: Job["state"]): string {
  return STATE_TONES[state];
}

/** How far a job is, 0 to 1; null while that is unknown. */
export function findShare(progress: Progress | null | undefined): number | null {
  return progress?.total ? (progress.done ?? 0) / progress.total : null;
}

// stages that come without a message; others are shown by their own names
const STAGES: Record<string, string> = {
  batch: "computing",
  bodies: "making bodies",
  clips: "working through clips",
  convert: "converting",
  export: "exporting",
  lift: "making shapes",
  motion: "making motions",
  overlay: "drawing the overlay",
  publish: "publishing",
  read: "reading",
  track: "tracking",
  views: "looking at frames",
};

/** What a job is doing, in words, and how far it is. */
export function describeProgress(progress: Progress | null | undefined): string {
  if (!progress) return "";
  const what = progress.message || STAGES[progress.stage] || progress.stage.replaceAll("_", " ");
  return progress.total ? `${what}, ${progress.done ?? 0} of ${progress.total}` : what;
}

/** How long a job ran, or has been running. */
export function describeDuration(job: Job, now: number): string {
  if (!job.started_at) return "";
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  return formatSeconds(Math.max(0, (end - Date.parse(job.started_at)) / 1000));
}

// lists of requests without a phrase
const COUNTED = [["prompts", "prompt"], ["exemplars", "example"], ["masks", "mask"]] as const;

/** What the request names, in short. */
export function summarise(job: Job): string {
  const request = job.request ?? {};
  const text = request["text"];
  if (Array.isArray(text) && text.length) return text.join(", ");
  const counts = COUNTED.map(([name, noun]) => {
    const named = request[name];
    return Array.isArray(named) && named.length ? formatCount(named.length, noun) : "";
  });
  return counts.filter(Boolean).join(", ");
}

const REASONS: Record<string, string> = {
  worker_lost: "its worker was lost, and another one goes on",
  handed_back: "its worker was stopped, and another one goes on",
  went_wrong: "it went wrong, and is tried again",
};

/** A change of a job's state, with the reason for a second attempt. */
export function describeState(data: Record<string, unknown>): string {
  const reason = REASONS[String(data["reason"])];
  return reason ? `${String(data["state"])}: ${reason}` : String(data["state"]);
}
