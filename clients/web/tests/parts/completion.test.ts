import { describe, expect, it } from "vitest";
import { completePhrases } from "../../src/lib/completion";

const WORDS = ["cup", "couch", "teacup", "bowl"];

describe("phrases", () => {
  it("complete by what they start with, then by what they are part of", () => {
    expect(completePhrases("cu", WORDS)).toEqual(["cup", "teacup"]);
    expect(completePhrases("zeppelin", WORDS)).toEqual([]);
  });

  it("keep what stands before the last comma", () => {
    expect(completePhrases("bowl, CO", WORDS)).toEqual(["bowl, couch"]);
  });

  it("show everything where nothing is typed", () => {
    expect(completePhrases("", WORDS)).toEqual(WORDS);
  });
});
