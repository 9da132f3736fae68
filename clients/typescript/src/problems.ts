import type { Problem } from "./schema.js";

/** An answer of the service that is a problem (RFC 9457): `code` is stable, `message` says what to do. */
export class MaquetteError extends Error {
  override readonly name = "MaquetteError";

  constructor(
    readonly problem: Problem,
    /** Seconds after which to try again, where the service says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail);
  }

  /** The stable code of the problem, as docs/reference/problem-codes.md lists them. */
  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** The service did not answer at all: the network is down, or the gateway is. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The error that an answer stands for, also where a proxy answered with something else than a problem. */
export async function readProblem(answer: Response): Promise<MaquetteError> {
  const text = await answer.text().catch(() => "");
  return toError(answer.status, parseJson(text), answer.headers.get("Retry-After"));
}

/** The error of a status and a body that has been read. */
export function toError(status: number, body: unknown, retryAfter: string | null): MaquetteError {
  const seconds = Number(retryAfter ?? Number.NaN);
  return new MaquetteError(
    isProblem(body) ? body : makeProblem(status),
    Number.isFinite(seconds) ? seconds : null,
  );
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "detail" in body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function makeProblem(status: number): Problem {
  return {
    type: "about:blank",
    title: `HTTP ${status}`,
    status,
    code: `http_${status}`,
    detail: `the server answered with status ${status}`,
  };
}
