import type { Job } from "maquette";
import JOB_DEFAULTS from "virtual:job-defaults";

type Value = null | boolean | number | string | Value[] | { [name: string]: Value };
type Request = { [name: string]: Value };

/** The ways in which a request can be sent again. */
export interface RequestCode {
  curl: string;
  python: string;
  /** Null where the request has what the command line cannot say. */
  cli: string | null;
}

const FILES: Record<string, string> = { image: "IMAGE.jpg", video: "VIDEO.mp4", asset: "ASSET.glb" };
// what the command line takes as an option of its own
const CLI_FIELDS = new Set(["kind", "image", "video", "asset", "text", "boxes", "points", "from_job", "threshold", "engine", "formats", "seed"]);

/** A job's request as curl, as Python, and as a command; only what differs from the defaults is written. */
export function writeRequest(job: Pick<Job, "kind" | "request">, address: string): RequestCode {
  const request = tidy((job.request ?? { kind: job.kind }) as Request);
  return { curl: writeCurl(request, address), python: writePython(request, address), cli: writeCommand(request) };
}

/** A request without the fields that say nothing, and those that have their default. */
export function tidy(request: Request): Request {
  const defaults = JOB_DEFAULTS[String(request["kind"])] ?? {};
  const plain: Request = {};
  for (const [name, value] of Object.entries(request)) {
    const isDefault = JSON.stringify(value) === JSON.stringify(defaults[name]);
    const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
    if (!isEmpty && (!isDefault || name === "kind")) plain[name] = dropNulls(value);
  }
  return plain;
}

function dropNulls(value: Value): Value {
  if (Array.isArray(value)) return value.map(dropNulls);
  if (!isMedia(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => (item === null ? [] : [[name, dropNulls(item)]])),
  );
}

function writeCurl(request: Request, address: string): string {
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return [
    `curl -s -H "X-API-Key: $MAQUETTE_API_KEY" -H 'Content-Type: application/json' \\`,
    `  -H 'Prefer: wait=30' -d '${body}' \\`,
    `  ${address}/v1/jobs`,
  ].join("\n");
}

function writePython(request: Request, address: string): string {
  const { kind, ...fields } = request;
  const words: string[] = [];
  const named: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (FILES[name] && isMedia(value)) words.push(toPython(value["url"] ?? FILES[name] ?? ""));
    else if (name === "videos" && Array.isArray(value)) words.push(toPython(value.map((_, index) => `video-${index + 1}.mp4`)));
    else if (name === "boxes" && Array.isArray(value)) named.push(`boxes=[${value.map(writeBox).join(", ")}]`);
    else named.push(`${name}=${toPython(value)}`);
  }
  const call = `mq.${String(kind)}(${[...words, ...named].join(", ")})`;
  return `from maquette import Maquette\n\nmq = Maquette("${address}")  # reads MAQUETTE_API_KEY\njob = ${call}\njob.wait().save("out")`;
}

function writeCommand(request: Request): string | null {
  if (Object.keys(request).some((name) => !CLI_FIELDS.has(name))) return null;
  const words = [`maquette ${String(request["kind"])}`];
  for (const name of Object.keys(FILES)) if (request[name]) words.push(FILES[name] ?? "");
  for (const phrase of toList(request["text"])) words.push(`--text ${quote(String(phrase))}`);
  for (const box of toList(request["boxes"])) words.push(`--box ${writeNumbers(box, ["x0", "y0", "x1", "y1"])}`);
  for (const points of toList(request["points"])) {
    const list = toList(points);
    if (list.length !== 1) return null;
    words.push(`--point ${writeNumbers(list[0] ?? null, ["x", "y"])}`);
  }
  if (request["from_job"]) words.push(`--from-job ${String(request["from_job"])}`);
  if (request["threshold"] !== undefined) words.push(`--threshold ${String(request["threshold"])}`);
  if (request["engine"]) words.push(`--engine ${String(request["engine"])}`);
  if (request["formats"]) words.push(`--formats ${toList(request["formats"]).join(",")}`);
  return `${words.join(" ")} --out out`;
}

function isMedia(value: Value | undefined): value is { [name: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toList(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}

function writeBox(value: Value): string {
  return `(${writeNumbers(value, ["x0", "y0", "x1", "y1"]).replaceAll(",", ", ")})`;
}

function writeNumbers(value: Value, names: string[]): string {
  return isMedia(value) ? names.map((name) => String(value[name])).join(",") : "";
}

function quote(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A JSON value as a Python literal. */
export function toPython(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string" || typeof value === "number") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toPython).join(", ")}]`;
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${toPython(item)}`).join(", ")}}`;
}
