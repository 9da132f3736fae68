import { ConnectionLost, type MaquetteError, toError } from "./problems.js";

export interface Target {
  /** Address of the gateway; empty for the page's own. */
  url: string;
  headers: Record<string, string>;
  fetch: typeof fetch;
  /** How long an upload goes on without any progress, in seconds. */
  patienceSeconds: number;
}

export interface Sending {
  method: "POST" | "PATCH";
  path: string;
  headers?: Record<string, string>;
  body?: Blob;
  /** Called with the bytes that were sent so far; browsers only. */
  onSent?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Received {
  body: unknown;
  header: (name: string) => string | null;
}

/** Send a body and read the answer; throws MaquetteError for a problem, ConnectionLost without an answer. */
export async function send(target: Target, sending: Sending): Promise<Received> {
  if (sending.onSent && typeof XMLHttpRequest !== "undefined") return sendWithProgress(target, sending);
  const answer = await target.fetch(target.url + sending.path, {
    method: sending.method,
    body: sending.body ?? null,
    headers: { ...target.headers, ...sending.headers },
    signal: sending.signal ?? null,
  });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw toError(answer.status, body, answer.headers.get("Retry-After"));
  return { body, header: (name) => answer.headers.get(name) };
}

// fetch reports no progress of what it sends
function sendWithProgress(target: Target, sending: Sending): Promise<Received> {
  return new Promise((resolve, reject) => {
    sending.signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open(sending.method, target.url + sending.path);
    request.responseType = "json";
    const headers = { ...target.headers, ...sending.headers };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => sending.onSent?.(event.loaded);
    request.onload = () => {
      const header = (name: string) => request.getResponseHeader(name);
      if (request.status < 300) resolve({ body: request.response, header });
      else reject(toProblem(request));
    };
    request.onerror = () => reject(new ConnectionLost("the connection was lost while the file was sent"));
    request.onabort = () => reject(new DOMException("the upload was stopped", "AbortError"));
    sending.signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(sending.body ?? null);
  });
}

function toProblem(request: XMLHttpRequest): MaquetteError {
  return toError(request.status, request.response, request.getResponseHeader("Retry-After"));
}
