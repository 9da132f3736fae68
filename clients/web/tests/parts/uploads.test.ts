import { ConnectionLost, Maquette, MaquetteError } from "maquette";
import { describe, expect, it } from "vitest";

const MEDIA = { id: "f".repeat(64), kind: "video" };
const SIZE = 17 * 2 ** 20;
const PATH = "/v1/resumable-uploads/upl_1";

/** A gateway that speaks tus; `appends` says what becomes of each append: a problem, or a cut after so many bytes. */
function serve(appends: (number | Response)[] = [], isOld = false) {
  const seen: string[] = [];
  let arrived = 0;
  const fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    const offset = request.headers.get("upload-offset");
    seen.push([request.method, path, offset].filter(Boolean).join(" "));
    if (path === "/v1/uploads") return json(MEDIA, 201);
    if (isOld) return problem(404, "not_found");
    if (request.method === "POST") {
      arrived = 0;
      return show(request.headers.get("upload-length") === String(SIZE) ? 201 : 400);
    }
    if (request.method !== "PATCH") return show(200);
    if (Number(offset) !== arrived) return problem(409, "upload_offset_mismatch");
    const next = appends.shift();
    if (next instanceof Response) return next;
    const { size } = await request.blob();
    arrived += Math.min(size, next ?? size);
    if (next !== undefined) throw new TypeError("the connection was reset");
    return new Response(null, { status: 204, headers: { "Upload-Offset": String(arrived) } });
  };
  const show = (status: number) =>
    json({ id: "upl_1", bytes: SIZE, offset: arrived, media: arrived === SIZE ? MEDIA : null }, status);
  const mq = new Maquette({ url: "http://gateway", apiKey: "mq_key", fetch, patienceSeconds: 1 });
  return { mq, seen, appended: () => seen.filter((line) => line.startsWith("PATCH")) };
}

const json = (body: unknown, status: number) => new Response(JSON.stringify(body), { status });
const problem = (status: number, code: string) => json({ type: "", title: "", status, code, detail: "what to do" }, status);
const file = () => new Blob([new Uint8Array(SIZE)]);

describe("large uploads", () => {
  it("go on where the connection was cut", async () => {
    const { mq, appended } = serve([5_000_000]);
    expect(await mq.upload(file())).toMatchObject({ id: MEDIA.id });
    expect(appended()).toEqual([`PATCH ${PATH} 0`, `PATCH ${PATH} 5000000`]);
  });

  it("go on when the same file is uploaded again", async () => {
    const { mq, seen, appended } = serve([5_000_000, problem(401, "unauthorized")]);
    const video = file();
    await expect(mq.upload(video)).rejects.toMatchObject({ code: "unauthorized" });
    expect(await mq.upload(video)).toMatchObject({ id: MEDIA.id });
    expect(appended().at(-1)).toBe(`PATCH ${PATH} 5000000`);
    expect(seen.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });

  it("wait for what passes, and not for ever", async () => {
    const busy = serve([problem(503, "service_busy"), problem(409, "upload_offset_mismatch")]);
    expect(await busy.mq.upload(file())).toMatchObject({ id: MEDIA.id });
    const stuck = serve(Array.from({ length: 20 }, () => 0));
    await expect(stuck.mq.upload(file())).rejects.toBeInstanceOf(ConnectionLost);
  });

  it("do not repeat what was refused, and begin again when nothing is left", async () => {
    const refused = serve([problem(415, "unsupported_media")]);
    const error: unknown = await refused.mq.upload(file()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MaquetteError);
    expect(error).toMatchObject({ code: "unsupported_media" });
    expect(refused.appended()).toHaveLength(1);
    const gone = serve([5_000_000, problem(410, "upload_expired")]);
    expect(await gone.mq.upload(file())).toMatchObject({ id: MEDIA.id });
    expect(gone.appended()).toHaveLength(3);
  });

  it("take one request where they are small, and where the service is older", async () => {
    const small = serve();
    await small.mq.upload(new Blob(["small"]));
    expect(small.seen).toEqual(["POST /v1/uploads"]);
    const old = serve([], true);
    await old.mq.upload(file());
    expect(old.seen.at(-1)).toBe("POST /v1/uploads");
  });
});
