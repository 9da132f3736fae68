import createClient, { type Client } from "openapi-fetch";
import { readEvents } from "./events.js";
import { ConnectionLost, MaquetteError, readProblem, toError } from "./problems.js";
import type {
  Engine,
  Engines,
  Job,
  JobPage,
  Media,
  OpenSession,
  Propagate,
  Session,
  SessionAnswer,
  Usage,
  VideoPrompt,
  components,
  operations,
  paths,
} from "./schema.js";
import { type UploadOptions, upload } from "./uploads.js";

/** What a client submits: one of the kinds of job, distinguished by `kind`. */
export type JobRequest = operations["submit_v1_jobs_post"]["requestBody"]["content"]["application/json"];
export type JobKind = Job["kind"];
export type JobState = Job["state"];

/** One entry of a job's history. */
export interface JobEvent {
  seq: number;
  type: "state" | "progress" | "artefact";
  at: string;
  data: Record<string, unknown>;
}

export interface MaquetteOptions {
  /** Address of the gateway; empty for the page's own. */
  url: string;
  /** An API key; a page that is logged in has none. */
  apiKey?: string;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
  /** How long requests that may be repeated are repeated while the service cannot be reached, in seconds. */
  patienceSeconds?: number;
}

export interface SubmitOptions {
  /** Seconds to wait for the job to end before it is answered. */
  wait?: number;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

const FINAL: ReadonlySet<JobState> = new Set(["succeeded", "failed", "cancelled", "expired"]);
const PAUSE_SECONDS = 0.5;
// statuses that say "again later", whatever the request was
const BUSY: ReadonlySet<number> = new Set([429, 503]);

/** Whether a job has ended. */
export function isFinal(job: Pick<Job, "state">): boolean {
  return FINAL.has(job.state);
}

/** A client of the service; every method throws MaquetteError for a problem, ConnectionLost without an answer. */
export class Maquette {
  /** Every operation of the OpenAPI document, typed. */
  readonly api: Client<paths>;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch;
  readonly #patience: number;

  constructor(options: MaquetteOptions) {
    this.#url = options.url.replace(/\/$/, "");
    this.#headers = { ...options.headers };
    if (options.apiKey) this.#headers["X-API-Key"] = options.apiKey;
    const fetched = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#fetch = (input, init) =>
      fetched(input, init).catch((error: unknown) => {
        throw error instanceof TypeError ? new ConnectionLost(error.message) : error;
      });
    this.#patience = options.patienceSeconds ?? 60;
    // a page without an address of its own is served by the gateway: openapi-fetch needs a complete one
    const base = this.#url || globalThis.location.origin;
    this.api = createClient<paths>({ baseUrl: base, headers: this.#headers, fetch: this.#fetch });
  }

  /** Upload a file; a large one goes on where a connection was cut. */
  upload(file: Blob, options: UploadOptions = {}): Promise<Media> {
    return upload(
      { url: this.#url, headers: this.#headers, fetch: this.#fetch, patienceSeconds: this.#patience },
      file,
      options,
    );
  }

  getUpload(id: string): Promise<Media> {
    return this.#patiently(() => this.api.GET("/v1/uploads/{sha256}", { params: { path: { sha256: id } } }));
  }

  /** Address of an upload's bytes, for images and videos of a page. */
  uploadUrl(id: string): string {
    return `${this.#url}/v1/uploads/${id}/content`;
  }

  /** The bytes of an upload, not yet read. */
  uploadContent(id: string, signal?: AbortSignal): Promise<Response> {
    return this.#read(this.uploadUrl(id), signal);
  }

  artefactUrl(sha256: string): string {
    return `${this.#url}/v1/artefacts/${sha256}`;
  }

  /** The bytes of an artefact, not yet read. */
  artefact(sha256: string, signal?: AbortSignal): Promise<Response> {
    return this.#read(this.artefactUrl(sha256), signal);
  }

  async #read(url: string, signal?: AbortSignal): Promise<Response> {
    const answer = await this.#fetch(url, { headers: this.#headers, signal: signal ?? null });
    if (!answer.ok) throw await readProblem(answer);
    return answer;
  }

  /** Submit a job once, however often the network fails on the way. */
  submit(request: JobRequest, options: SubmitOptions = {}): Promise<Job> {
    const key = options.idempotencyKey ?? crypto.randomUUID();
    const header = {
      "idempotency-key": key,
      ...(options.wait === undefined ? {} : { prefer: [`wait=${options.wait}`] }),
    };
    return this.#patiently(
      () =>
        this.api.POST("/v1/jobs", { params: { header }, body: request, signal: options.signal ?? null }),
      options.signal,
    );
  }

  getJob(id: string): Promise<Job> {
    return this.#patiently(() => this.api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: id } } }));
  }

  listJobs(query: operations["list_jobs_v1_jobs_get"]["parameters"]["query"] = {}): Promise<JobPage> {
    return this.#once(() => this.api.GET("/v1/jobs", { params: { query } }));
  }

  cancelJob(id: string): Promise<Job> {
    const params = { path: { job_id: id } };
    return this.#patiently(() => this.api.POST("/v1/jobs/{job_id}/cancel", { params }));
  }

  async deleteJob(id: string): Promise<void> {
    await this.#once(() => this.api.DELETE("/v1/jobs/{job_id}", { params: { path: { job_id: id } } }));
  }

  /** Every event of a job until it ends; a lost connection is taken up again where it broke. */
  async *events(id: string, options: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<JobEvent> {
    let last = options.after ?? 0;
    for (;;) {
      const headers: Record<string, string> = { ...this.#headers };
      if (last) headers["Last-Event-ID"] = String(last);
      try {
        const answer = await this.#fetch(`${this.#url}/v1/jobs/${id}/events`, {
          headers,
          signal: options.signal ?? null,
        });
        if (answer.status === 204) return;
        if (!answer.ok || !answer.body) throw await readProblem(answer);
        for await (const event of readEvents(answer.body)) {
          const entry = JSON.parse(event.data) as JobEvent;
          last = entry.seq;
          yield entry;
          if (entry.type === "state" && FINAL.has(entry.data["state"] as JobState)) return;
        }
      } catch (error) {
        if (options.signal?.aborted) return;
        if (error instanceof MaquetteError && !BUSY.has(error.status)) throw error;
      }
      await sleep(PAUSE_SECONDS);
    }
  }

  /** A job once it has ended; `onEvent` sees its history on the way. */
  async waitFor(id: string, onEvent?: (event: JobEvent) => void, signal?: AbortSignal): Promise<Job> {
    for await (const event of this.events(id, signal ? { signal } : {})) onEvent?.(event);
    return this.getJob(id);
  }

  async engines(): Promise<Engine[]> {
    const known = await this.#patiently<Engines>(() => this.api.GET("/v1/engines"));
    return known.engines;
  }

  usage(): Promise<Usage> {
    return this.#patiently(() => this.api.GET("/v1/usage"));
  }

  openSession(body: OpenSession): Promise<Session> {
    return this.#once(() => this.api.POST("/v1/sessions", { body }));
  }

  getSession(id: string): Promise<Session> {
    const params = { path: { session_id: id } };
    return this.#patiently(() => this.api.GET("/v1/sessions/{session_id}", { params }));
  }

  /** Add a prompt to a session; its preview is a segment job, for which `wait` seconds are waited. */
  addPrompt(id: string, body: VideoPrompt, wait = 30): Promise<SessionAnswer> {
    const params = { path: { session_id: id }, header: { prefer: [`wait=${wait}`] } };
    return this.#once(() => this.api.POST("/v1/sessions/{session_id}/prompts", { params, body }));
  }

  dropPrompt(id: string, index: number): Promise<Session> {
    const params = { path: { session_id: id, index } };
    return this.#once(() => this.api.DELETE("/v1/sessions/{session_id}/prompts/{index}", { params }));
  }

  propagate(id: string, body: Propagate): Promise<Job> {
    const params = { path: { session_id: id } };
    return this.#once(() => this.api.POST("/v1/sessions/{session_id}/propagate", { params, body }));
  }

  async closeSession(id: string): Promise<void> {
    const params = { path: { session_id: id } };
    await this.#once(() => this.api.DELETE("/v1/sessions/{session_id}", { params }));
  }

  // openapi-fetch widens tuples in what it returns: the schema's own types are the exact ones
  async #once<T>(call: () => Promise<Answer>): Promise<T> {
    const { data, error, response } = await call();
    if (!response.ok) throw toError(response.status, error, response.headers.get("Retry-After"));
    return data as T;
  }

  // what may be sent twice without harm
  async #patiently<T>(call: () => Promise<Answer>, signal?: AbortSignal): Promise<T> {
    const end = Date.now() + this.#patience * 1000;
    for (;;) {
      try {
        return await this.#once(call);
      } catch (error) {
        const isBusy = error instanceof MaquetteError && BUSY.has(error.status);
        if (signal?.aborted || Date.now() > end || !(isBusy || error instanceof ConnectionLost)) throw error;
        await sleep((error instanceof MaquetteError && error.retryAfter) || PAUSE_SECONDS);
      }
    }
  }
}

interface Answer {
  data?: unknown;
  error?: unknown;
  response: Response;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

export type { components };
