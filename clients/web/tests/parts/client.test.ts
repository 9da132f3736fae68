import { ConnectionLost, Maquette, MaquetteError, readEvents } from "maquette";
import { describe, expect, it } from "vitest";

type Answer = () => Response | Promise<Response>;

/** A client whose requests get these answers, in order; what it sent is in `sent`. */
function connect(...answers: Answer[]): { mq: Maquette; sent: Request[] } {
  const sent: Request[] = [];
  const fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
    sent.push(new Request(input, init));
    const answer = answers.shift();
    if (!answer) throw new Error("no answer is left");
    return answer();
  };
  return { mq: new Maquette({ url: "http://gateway", apiKey: "mq_key", fetch, patienceSeconds: 5 }), sent };
}

const json = (body: unknown, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const problem = (status: number, code: string, headers = {}) => json({ type: "", title: "", status, code, detail: "what to do" }, status, headers);
const JOB = { id: "job_1", kind: "segment", state: "queued" };
const stream = (text: string) => new Response(text, { headers: { "Content-Type": "text/event-stream" } });
const event = (seq: number, type: string, data: unknown) => `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ seq, type, at: "", data })}\n\n`;

describe("the client", () => {
  it("submits a job once, however often the network fails", async () => {
    const { mq, sent } = connect(() => Promise.reject(new TypeError("network")), () => problem(503, "service_busy", { "Retry-After": "0.01" }), () => json(JOB, 202));
    const job = await mq.submit({ kind: "segment", image: { id: "0" }, text: ["cup"] }, { wait: 5 });
    expect(job.id).toBe("job_1");
    const keys = new Set(sent.map((request) => request.headers.get("idempotency-key")));
    expect([sent.length, keys.size, keys.has(null)]).toEqual([3, 1, false]);
    expect(sent[0]?.headers.get("prefer")).toBe("wait=5");
    expect(sent[0]?.headers.get("x-api-key")).toBe("mq_key");
  });

  it("throws a problem with its code, and does not repeat what was refused", async () => {
    const { mq, sent } = connect(() => problem(422, "unknown_phrase"));
    const refused = mq.submit({ kind: "segment", image: { id: "0" }, text: ["zeppelin"] });
    await expect(refused).rejects.toMatchObject({ code: "unknown_phrase", status: 422, message: "what to do" });
    expect(sent).toHaveLength(1);
  });

  it("reads what a proxy answers as well", async () => {
    const { mq } = connect(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
    const error: unknown = await mq.artefact("0").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MaquetteError);
    expect(error).toMatchObject({ code: "http_502" });
  });

  it("says that a service does not answer", async () => {
    const { mq } = connect(() => Promise.reject(new TypeError("network")));
    await expect(mq.listJobs()).rejects.toBeInstanceOf(ConnectionLost);
  });

  it("takes events up again where a stream broke, until the job has ended", async () => {
    const { mq, sent } = connect(
      () => stream(`${event(1, "state", { state: "running" })}: keep-alive\n\n${event(2, "progress", { stage: "masks" })}`),
      () => stream(event(3, "state", { state: "succeeded" })),
    );
    const seen: number[] = [];
    for await (const entry of mq.events("job_1")) seen.push(entry.seq);
    expect(seen).toEqual([1, 2, 3]);
    expect(sent.map((request) => request.headers.get("last-event-id"))).toEqual([null, "2"]);
  });

  it("reads events that arrive in pieces", async () => {
    const bytes = new TextEncoder().encode('id: 1\r\nevent: x\r\ndata: "é"\r\n\r\nid: 2\ndata: a\ndata: b\n\n');
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const seen = [];
    for await (const entry of readEvents(body)) seen.push([entry.id, entry.event, entry.data]);
    expect(seen).toEqual([["1", "x", '"é"'], ["2", "message", "a\nb"]]);
  });
});
