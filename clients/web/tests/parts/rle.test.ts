import { describe, expect, it } from "vitest";
import { traceOutlines } from "../../src/lib/outlines";
import { type CroppedMask, countPixels, decodeRle, encodeRle, formatRuns, parseRuns, toBox, uniteMasks } from "../../src/lib/rle";

/** A mask from rows of dots and hashes. */
function draw(...rows: string[]): CroppedMask {
  const data = Uint8Array.from(rows.join(""), (sign) => (sign === "#" ? 1 : 0));
  return { x: 0, y: 0, width: rows[0]?.length ?? 0, height: rows.length, data };
}

function show(mask: CroppedMask): string[] {
  return Array.from({ length: mask.height }, (_, row) =>
    Array.from({ length: mask.width }, (_, column) => (mask.data[row * mask.width + column] ? "#" : ".")).join(""),
  );
}

// what pycocotools writes for these masks
const KNOWN: [string, string[]][] = [
  ["324", [".#.", ".#.", "..."]],
  ["1120O", ["..#", "#.."]],
];

describe("RLE", () => {
  it("reads runs that pycocotools wrote, and writes the same text", () => {
    for (const text of ["324", "1120O", "2191MON22NL0025OJ00O11OO1=0C1=1CM=1C1=4CK01081K2M"]) {
      expect(formatRuns(parseRuns(text))).toBe(text);
    }
  });

  it.each(KNOWN)("writes %s as pycocotools does, and reads it back", (counts, rows) => {
    const mask = draw(...rows);
    const rle = encodeRle(mask, mask.width, mask.height);
    expect(rle).toEqual({ size: [mask.height, mask.width], counts });
    const blank = draw(...rows.map((row) => ".".repeat(row.length)));
    expect(show(uniteMasks([decodeRle(rle), blank]))).toEqual(rows);
  });

  it("keeps random masks, with long runs and empty columns", () => {
    let seed = 7;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    for (let round = 0; round < 20; round += 1) {
      const [width, height] = [1 + Math.floor(random() * 90), 1 + Math.floor(random() * 90)];
      const data = Uint8Array.from({ length: width * height }, () => (random() < 0.3 ? 1 : 0));
      const mask = { x: 0, y: 0, width, height, data };
      const back = decodeRle(encodeRle(mask, width, height));
      const blank = { x: 0, y: 0, width, height, data: new Uint8Array(width * height) };
      expect(uniteMasks([back, blank]).data).toEqual(data);
    }
  });

  it("crops to the box, which is end-exclusive", () => {
    const mask = decodeRle(encodeRle(draw("....", ".##.", "..#.", "...."), 4, 4));
    expect(toBox(mask)).toEqual({ x0: 1, y0: 1, x1: 3, y1: 3 });
    expect(show(mask)).toEqual(["##", ".#"]);
  });

  it("has no pixels for an empty mask", () => {
    expect(decodeRle({ size: [2, 3], counts: formatRuns([6]) })).toMatchObject({ width: 0, height: 0 });
  });
});

describe("outlines", () => {
  const area = (ring: number[]) => {
    let sum = 0;
    for (let i = 0; i < ring.length; i += 2) {
      const j = (i + 2) % ring.length;
      sum += (ring[i] ?? 0) * (ring[j + 1] ?? 0) - (ring[j] ?? 0) * (ring[i + 1] ?? 0);
    }
    return sum / 2;
  };

  it.each([
    [["#"], 1],
    [["##", "#."], 1],
    [["#.", ".#"], 2],
    [["###", "#.#", "###"], 2],
    [["#.#", "###", "#.#"], 1],
  ])("traces %s as %i rings whose areas sum to the mask", (rows, rings) => {
    const mask = draw(...rows);
    const traced = traceOutlines(mask);
    expect(traced).toHaveLength(rings);
    expect(traced.reduce((sum, ring) => sum + area(ring), 0)).toBe(countPixels(mask));
  });

  it("has the coordinates of the image", () => {
    const ring = traceOutlines({ ...draw("##"), x: 10, y: 20 })[0];
    expect(ring).toEqual([10, 20, 12, 20, 12, 21, 10, 21]);
  });
});
