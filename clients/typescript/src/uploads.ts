import { ConnectionLost, toError } from "./problems.js";
import type { Media } from "./schema.js";

export interface UploadOptions {
  /** Called with the share that is sent, 0 to 1; browsers only. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
}

export interface Target {
  url: string;
  headers: Record<string, string>;
  fetch: typeof fetch;
}

/** Upload a file as the body of a request; the same content again gives the same id. */
export async function upload(target: Target, file: Blob, options: UploadOptions): Promise<Media> {
  if (options.onProgress && typeof XMLHttpRequest !== "undefined") {
    return uploadWithProgress(target, file, options);
  }
  const headers = { ...target.headers, "Content-Type": "application/octet-stream" };
  const answer = await target.fetch(target.url, {
    method: "POST",
    body: file,
    headers,
    signal: options.signal ?? null,
  });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw toError(answer.status, body, answer.headers.get("Retry-After"));
  return body as Media;
}

// fetch reports no progress of what it sends
function uploadWithProgress(target: Target, file: Blob, options: UploadOptions): Promise<Media> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", target.url);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(target.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) options.onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status < 300) resolve(request.response as Media);
      else reject(toError(request.status, request.response, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new ConnectionLost("the connection was lost while the file was sent"));
    request.onabort = () => reject(new DOMException("the upload was stopped", "AbortError"));
    options.signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
