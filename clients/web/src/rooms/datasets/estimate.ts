/** What the complete dataset will cost, from a trial on a few of its videos. */
export interface CostEstimate {
  videoSeconds: number;
  /** Seconds of clips that pass the inexpensive gates. */
  keptSeconds: number;
  workerSeconds: number;
  bytes: number;
  secondsByStage: [string, number][];
}

/** `timing.json` of a trial run. */
export interface Timing {
  video_seconds: number;
  passed_seconds: number;
  done_seconds: number;
  done_bytes: number;
  stages: Record<string, number>;
}

// as the command line's estimate: enough for a rough mean at the price of minutes
const TRIAL_VIDEOS = 3;
// stages that run over all of a video, not only over its kept clips
const WHOLE_VIDEO_STAGES = new Set(["fetch", "survey"]);

/** Up to three of the videos, evenly spread. */
export function chooseTrial<T>(videos: readonly T[]): T[] {
  if (videos.length <= TRIAL_VIDEOS) return [...videos];
  return Array.from({ length: TRIAL_VIDEOS }, (_, index) => videos[Math.floor((index * videos.length) / TRIAL_VIDEOS)] as T);
}

/** Scale a trial by bytes of video; null where no clip of the trial passed the gates. */
export function scaleTrial(timing: Timing, trialBytes: number, allBytes: number): CostEstimate | null {
  if (timing.video_seconds <= 0 || timing.done_seconds <= 0 || trialBytes <= 0) return null;
  const scale = allBytes / trialBytes;
  const clipScale = (scale * timing.passed_seconds) / timing.done_seconds;
  const secondsByStage = Object.entries(timing.stages)
    .map(([stage, seconds]): [string, number] => [stage, seconds * (WHOLE_VIDEO_STAGES.has(stage) ? scale : clipScale)])
    .toSorted(([, a], [, b]) => b - a);
  return {
    videoSeconds: timing.video_seconds * scale,
    keptSeconds: timing.passed_seconds * scale,
    workerSeconds: secondsByStage.reduce((sum, [, seconds]) => sum + seconds, 0),
    bytes: timing.done_bytes * clipScale,
    secondsByStage,
  };
}
