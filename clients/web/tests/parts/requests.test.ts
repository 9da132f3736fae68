import { describe, expect, it } from "vitest";
import { findAdvice, parseAdvice } from "../../src/lib/advice";
import { formatBytes, formatCount, formatSeconds, toWords } from "../../src/lib/format";
import { parseRoute } from "../../src/lib/route";
import { tidy, toPython, writeRequest } from "../../src/rooms/jobs/request_code";

const ADDRESS = "http://127.0.0.1:8700";
const IMAGE = { id: "0".repeat(64), url: null };
const SEGMENT = { kind: "segment", image: IMAGE, text: ["red car"], boxes: [], seed: 0, engine: "auto", timeout_seconds: 900, threshold: null };

describe("a request as code", () => {
  it("has only what differs from the defaults", () => {
    expect(tidy(SEGMENT)).toEqual({ kind: "segment", image: { id: IMAGE.id }, text: ["red car"] });
  });

  it("can be sent by curl, whatever quotes are in it", () => {
    const { curl } = writeRequest({ kind: "segment", request: { ...SEGMENT, text: ["cat's bowl"] } }, ADDRESS);
    expect(curl).toContain(`"text":["cat'\\''s bowl"]`);
    expect(curl).toContain(`${ADDRESS}/v1/jobs`);
    expect(curl).not.toContain("mq_");
  });

  it("calls the SDK with boxes as tuples", () => {
    const request = { ...SEGMENT, boxes: [{ x0: 1, y0: 2, x1: 3.5, y1: 4 }] };
    const { python } = writeRequest({ kind: "segment", request }, ADDRESS);
    expect(python).toContain(`mq.segment("IMAGE.jpg", text=["red car"], boxes=[(1, 2, 3.5, 4)])`);
  });

  it("is a command where the command line has options for all of it, and nothing else", () => {
    expect(writeRequest({ kind: "segment", request: SEGMENT }, ADDRESS).cli).toBe("maquette segment IMAGE.jpg --text 'red car' --out out");
    const exemplars = [{ box: { x0: 0, y0: 0, x1: 1, y1: 1 }, positive: true }];
    expect(writeRequest({ kind: "segment", request: { ...SEGMENT, exemplars } }, ADDRESS).cli).toBeNull();
  });

  it("is a Python literal", () => {
    expect(toPython({ a: [true, null, "é", 1.5] })).toBe('{"a": [True, None, "é", 1.5]}');
  });
});

describe("words", () => {
  it("says what to do about a problem, without markup", () => {
    expect(findAdvice("unknown_phrase")).toContain("choose from vocabulary");
    expect(findAdvice("no_such_code")).toBeNull();
    const row = "| `one`, `two` | 422 | see [here](there.md#x) and `this` |";
    expect([...parseAdvice(row)]).toEqual([["one", "see here and this"], ["two", "see here and this"]]);
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1234, "1.2 kB"],
    [4_294_967_296, "4.3 GB"],
  ])("writes %i bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.84, "0.8 s"],
    [59.6, "1 min"],
    [200, "3 min 20 s"],
    [7500, "2 h 5 min"],
  ])("writes %d seconds as %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

  it("counts", () => {
    expect([formatCount(1, "mask"), formatCount(0, "mask"), formatCount(2, "person", "people")]).toEqual(["1 mask", "0 masks", "2 people"]);
    expect(toWords("low_iou")).toBe("low iou");
  });

  it.each([
    ["", "image", [], ""],
    ["#/jobs/job_1?state=failed", "jobs", ["job_1"], "state=failed"],
    ["#/login/a%2Fb", "login", ["a/b"], ""],
  ])("reads the address %s", (hash, room, parts, query) => {
    const route = parseRoute(hash);
    expect([route.room, route.parts, route.query.toString()]).toEqual([room, parts, query]);
  });
});
