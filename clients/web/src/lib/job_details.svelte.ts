import type { Job } from "maquette";
import { summarise } from "./job_text";
import { service } from "./service";

/** What a list shows of an ended job besides its row. */
export interface JobDetails {
  /** Address of a small image of its result; null where it has none. */
  picture: string | null;
  /** What its request names. */
  text: string;
}

// roles of artefacts that show a result, the best first
const PICTURES = ["preview", "overlay", "document"];

/** Details of ended jobs, read one after the other and once while the page is open: rows of lists have no results. */
class JobDetailsCache {
  known = $state.raw<Readonly<Record<string, JobDetails>>>({});
  #asked = new Set<string>();
  #queue: Promise<void> = Promise.resolve();

  /** Read what is not known yet of some jobs, in their order. */
  load(jobs: readonly Job[]): void {
    for (const { id, state } of jobs) {
      if (state !== "succeeded" || this.#asked.has(id)) continue;
      this.#asked.add(id);
      this.#queue = this.#queue.then(() => this.#read(id));
    }
  }

  async #read(id: string): Promise<void> {
    // a job that is gone by now has no details, which no list is about
    const job = await service.getJob(id).catch(() => null);
    if (job) this.known = { ...this.known, [id]: { picture: findPicture(job), text: summarise(job) } };
  }
}

function findPicture(job: Job): string | null {
  const images = (job.result?.artefacts ?? []).filter((file) => file.media_type.startsWith("image/"));
  const [best] = images
    .filter((file) => PICTURES.includes(file.role))
    .toSorted((a, b) => PICTURES.indexOf(a.role) - PICTURES.indexOf(b.role));
  return best ? service.artefactUrl(best.sha256) : null;
}

export const jobDetails = new JobDetailsCache();
