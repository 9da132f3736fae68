import { describe, expect, it } from "vitest";
import { findAdvice } from "../../src/lib/advice";
import type { Job } from "maquette";
import { describeState, summarise } from "../../src/lib/job_text";

describe("what a job was asked for", () => {
  it("is its phrases, or how many places of which kind", () => {
    const summariseRequest = (request: Record<string, unknown>) => summarise({ request } as unknown as Job);
    expect(summariseRequest({ text: ["cup", "bowl"], prompts: [] })).toBe("cup, bowl");
    expect(summariseRequest({ prompts: [{}], exemplars: [{}, {}] })).toBe("1 prompt, 2 examples");
    expect(summariseRequest({ video: { id: "0" } })).toBe("");
  });
});

describe("what went wrong", () => {
  it("says why a job is queued again", () => {
    expect(describeState({ state: "queued", reason: "worker_lost" })).toMatch(/^queued: its worker was lost/);
    expect(describeState({ state: "queued", reason: "handed_back" })).toMatch(/was stopped/);
    expect(describeState({ state: "running" })).toBe("running");
    expect(describeState({ state: "queued", reason: "something_new" })).toBe("queued");
  });

  it("has advice for every way an upload can end", () => {
    for (const code of ["upload_too_large", "upload_expired", "upload_offset_mismatch", "too_many_uploads", "storage_quota_exceeded"]) {
      expect(findAdvice(code), code).not.toBeNull();
    }
  });
});
