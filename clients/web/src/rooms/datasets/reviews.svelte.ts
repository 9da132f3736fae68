import type { Job } from "maquette";
import { History } from "../../lib/history.svelte";
import { service } from "../../lib/service";
import { keepInTab } from "../../lib/tab_storage";
import { type Opinion, type Opinions, type Verdict, decide, explain, toPlace, toReviews } from "./opinions";

/** The opinions about the version of one job; they outlive a reload, and can be undone. */
export class Reviewing {
  readonly history: History<Opinions>;
  readonly #job: string;

  constructor(job: string) {
    this.#job = job;
    this.history = new History(restore(this.#key));
  }

  get #key(): string {
    return `reviews:${this.#job}`;
  }

  get opinions(): Opinions {
    return this.history.current;
  }

  find(clip: string, track: bigint | number | null): Opinion | undefined {
    return this.opinions.get(toPlace(clip, track));
  }

  decide(clip: string, track: bigint | number | null, verdict: Verdict): void {
    const opinion = { clip, track: track === null ? null : Number(track), verdict, reason: null, at: new Date().toISOString() };
    this.#change(decide(this.opinions, opinion));
  }

  explain(clip: string, track: bigint | number | null, reason: string): void {
    this.#change(explain(this.opinions, toPlace(clip, track), reason));
  }

  undo(): void {
    this.history.undo();
    this.#store();
  }

  redo(): void {
    this.history.redo();
    this.#store();
  }

  /** Submit the job that makes the new version. */
  async send(): Promise<Job> {
    const job = await service.submit({ kind: "dataset", from_job: this.#job, reviews: toReviews(this.opinions) });
    sessionStorage.removeItem(this.#key);
    this.history.reset(new Map());
    return job;
  }

  #change(next: Opinions): void {
    this.history.push(next);
    this.#store();
  }

  #store(): void {
    keepInTab(this.#key, JSON.stringify([...this.opinions]));
  }
}

function restore(key: string): Opinions {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(key) ?? "[]") as [string, Opinion][]);
  } catch {
    return new Map();
  }
}
