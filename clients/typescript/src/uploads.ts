import { ConnectionLost, MaquetteError, toError } from "./problems.js";
import type { Media, ResumableUpload } from "./schema.js";
import { type Target, send } from "./sending.js";

export interface UploadOptions {
  /** Called with the share that is sent, 0 to 1; browsers only. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
}

// up to here, one request: to send it again takes seconds
export const WHOLE_BYTES = 16 * 2 ** 20;
// of one request: proxies that hold a body back before they pass it on lose this much at most
const APPEND_BYTES = 64 * 2 ** 20;
const PATH = "/v1/resumable-uploads";
const TUS = { "Tus-Resumable": "1.0.0" };
const PAUSE_SECONDS = 0.5;
// what an append may meet after which the upload goes on
const PASSING: ReadonlySet<number> = new Set([408, 409, 429, 502, 503, 504]);
const ENDED: ReadonlySet<string> = new Set(["upload_unknown", "upload_expired"]);

// addresses of uploads that were cut off: the same file goes on, as long as the page lives
const unfinished = new WeakMap<Blob, string>();

/**
 * Upload a file; the same content again gives the same id. A file above 16 MiB is sent in several requests, and goes
 * on where the connection was cut, also when it is uploaded again.
 */
export async function upload(target: Target, file: Blob, options: UploadOptions): Promise<Media> {
  options.onProgress?.(0);
  if (file.size > WHOLE_BYTES) {
    const path = unfinished.get(file) ?? (await begin(target, file, options));
    if (path !== null) return finish(target, file, path, options);
  }
  const { body } = await send(target, {
    method: "POST",
    path: "/v1/uploads",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
    onSent: report(file, 0, options),
    signal: options.signal,
  });
  return body as Media;
}

/** The path of a new upload; null where the service is older than this client. */
async function begin(target: Target, file: Blob, options: UploadOptions): Promise<string | null> {
  const headers = { ...TUS, "Upload-Length": String(file.size) };
  try {
    const { body } = await send(target, { method: "POST", path: PATH, headers, signal: options.signal });
    const path = `${PATH}/${(body as ResumableUpload).id}`;
    unfinished.set(file, path);
    return path;
  } catch (error) {
    if (error instanceof MaquetteError && (error.code === "not_found" || error.status === 405)) return null;
    throw error;
  }
}

async function finish(target: Target, file: Blob, path: string, options: UploadOptions): Promise<Media> {
  try {
    const media = await appendAll(target, file, path, options);
    unfinished.delete(file);
    return media;
  } catch (error) {
    if (error instanceof MaquetteError && !PASSING.has(error.status) && error.status !== 401) unfinished.delete(file);
    if (!(error instanceof MaquetteError && ENDED.has(error.code))) throw error;
    // nothing is left of it
    return upload(target, file, options);
  }
}

/** Append until all has arrived, for as long as something does. */
async function appendAll(target: Target, file: Blob, path: string, options: UploadOptions): Promise<Media> {
  let known = await ask(target, path, options);
  let end = Date.now() + target.patienceSeconds * 1000;
  for (;;) {
    if (known.media) return known.media;
    const before = known.offset;
    try {
      await append(target, file, path, before, options);
      known = await ask(target, path, options);
    } catch (error) {
      const passes = error instanceof ConnectionLost || (error instanceof MaquetteError && PASSING.has(error.status));
      if (options.signal?.aborted || !passes || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_SECONDS * 1000));
      known = await ask(target, path, options).catch((lost: unknown) => {
        if (lost instanceof ConnectionLost) return known;
        throw lost;
      });
    }
    if (known.offset > before) end = Date.now() + target.patienceSeconds * 1000;
  }
}

async function append(
  target: Target,
  file: Blob,
  path: string,
  offset: number,
  options: UploadOptions,
): Promise<void> {
  await send(target, {
    method: "PATCH",
    path,
    headers: { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
    body: file.slice(offset, offset + APPEND_BYTES),
    onSent: report(file, offset, options),
    signal: options.signal,
  });
}

async function ask(target: Target, path: string, options: UploadOptions): Promise<ResumableUpload> {
  const headers = { ...target.headers, ...TUS };
  const answer = await target.fetch(target.url + path, { headers, signal: options.signal ?? null });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw toError(answer.status, body, answer.headers.get("Retry-After"));
  return body as ResumableUpload;
}

function report(file: Blob, offset: number, options: UploadOptions): ((bytes: number) => void) | undefined {
  const { onProgress } = options;
  return onProgress && ((bytes) => onProgress(Math.min(1, (offset + bytes) / file.size)));
}
