import type { DatasetJob, Media } from "maquette";
import type { CostEstimate } from "./estimate";

export interface Source {
  name: string;
  media: Media;
}

/** What was chosen and typed for the next dataset; it outlives the room while the page is open. */
class DatasetDraft {
  sources = $state.raw<readonly Source[]>([]);
  bucket = $state("");
  text = $state("");
  clipSeconds = $state(5);
  minClipSeconds = $state(3);
  frameRate = $state<number | null>(null);
  size = $state(256);
  assets = $state(0);
  /** Minutes of workers; null for any number. */
  budget = $state<number | null>(null);
  #estimated = $state.raw<{ request: string; cost: CostEstimate } | null>(null);

  get isReady(): boolean {
    return (this.sources.length > 0 || this.bucket.trim() !== "") && this.text.trim() !== "";
  }

  get seconds(): number {
    return this.sources.reduce((sum, { media }) => sum + (media.duration_seconds ?? 0), 0);
  }

  get bytes(): number {
    return this.sources.reduce((sum, { media }) => sum + media.bytes, 0);
  }

  /** What the dataset will cost; null where that was not estimated, or of other videos or settings. */
  get cost(): CostEstimate | null {
    return this.#estimated?.request === JSON.stringify(this.build()) ? this.#estimated.cost : null;
  }

  /** Keep the estimate of a request. */
  setCost(request: DatasetJob, cost: CostEstimate): void {
    this.#estimated = { request: JSON.stringify(request), cost };
  }

  add(source: Source): void {
    if (!this.sources.some((known) => known.media.id === source.media.id)) this.sources = [...this.sources, source];
  }

  remove(source: Source): void {
    this.sources = this.sources.filter((known) => known !== source);
  }

  build(): DatasetJob {
    const bucket = this.bucket.trim();
    return {
      kind: "dataset",
      videos: this.sources.map(({ media }) => ({ id: media.id })),
      sources: this.sources.map(({ name }) => ({ name })),
      buckets: bucket ? [{ address: bucket }] : [],
      text: this.text.split(",").map((phrase) => phrase.trim()).filter(Boolean),
      clip_seconds: this.clipSeconds,
      min_clip_seconds: Math.min(this.minClipSeconds, this.clipSeconds),
      size: this.size,
      assets: this.assets,
      ...(this.frameRate ? { frame_rate: this.frameRate } : {}),
      ...(this.budget ? { max_seconds: this.budget * 60 } : {}),
    };
  }
}

export const draft = new DatasetDraft();
