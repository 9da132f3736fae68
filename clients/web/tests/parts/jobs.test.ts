import { describe, expect, it } from "vitest";
import { findAdvice } from "../../src/lib/advice";
import { describeState } from "../../src/lib/job_text";

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
