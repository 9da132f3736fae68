import type { Box, Rle } from "maquette";

/** A mask with one byte per pixel (0 or 1), cropped to its box; coordinates are those of the image. */
export interface CroppedMask {
  x: number;
  y: number;
  width: number;
  height: number;
  data: Uint8Array;
}

/** Lengths of the runs of zeros and ones, alternating, column by column: COCO's compressed text. */
export function parseRuns(counts: string): number[] {
  const runs: number[] = [];
  let position = 0;
  while (position < counts.length) {
    let value = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = counts.charCodeAt(position++) - 48;
      value |= (byte & 31) << shift;
      shift += 5;
    } while (byte & 32);
    if (byte & 16) value |= -1 << shift;
    // from the fourth run on, a run is written as its difference to the one before the last
    if (runs.length > 2) value += runs[runs.length - 2] ?? 0;
    runs.push(value);
  }
  return runs;
}

/** The text of runs; the inverse of `parseRuns`. */
export function formatRuns(runs: readonly number[]): string {
  let text = "";
  for (let index = 0; index < runs.length; index += 1) {
    let value = (runs[index] ?? 0) - (index > 2 ? (runs[index - 2] ?? 0) : 0);
    for (;;) {
      let byte = value & 31;
      value >>= 5;
      const isLast = byte & 16 ? value === -1 : value === 0;
      if (!isLast) byte |= 32;
      text += String.fromCharCode(byte + 48);
      if (isLast) break;
    }
  }
  return text;
}

/** The pixels of a mask within its box; the box is found where none is given. */
export function decodeRle(rle: Rle): CroppedMask {
  const height = rle.size[0];
  const runs = parseRuns(rle.counts);
  const bounds = findBounds(runs, height);
  const { x, y, width } = bounds;
  const data = new Uint8Array(width * bounds.height);
  let start = 0;
  runs.forEach((length, index) => {
    if (index % 2 === 1) {
      for (let at = start; at < start + length; at += 1) {
        const column = Math.floor(at / height);
        data[(at - column * height - y) * width + column - x] = 1;
      }
    }
    start += length;
  });
  return { ...bounds, data };
}

function findBounds(runs: readonly number[], height: number): Omit<CroppedMask, "data"> {
  let [left, top, right, bottom] = [Infinity, Infinity, 0, 0];
  let start = 0;
  runs.forEach((length, index) => {
    if (index % 2 === 1 && length > 0) {
      const [first, last] = [Math.floor(start / height), Math.floor((start + length - 1) / height)];
      const isTall = last > first;
      left = Math.min(left, first);
      right = Math.max(right, last + 1);
      top = Math.min(top, isTall ? 0 : start % height);
      bottom = Math.max(bottom, isTall ? height : (start % height) + length);
    }
    start += length;
  });
  if (right === 0) return { x: 0, y: 0, width: 0, height: 0 };
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** A mask of an image of that size as RLE. */
export function encodeRle(mask: CroppedMask, imageWidth: number, imageHeight: number): Rle {
  const runs: number[] = [];
  let current = 0;
  let length = 0;
  const add = (value: number, count: number) => {
    if (value === current) {
      length += count;
      return;
    }
    runs.push(length);
    [current, length] = [value, count];
  };
  for (let x = 0; x < imageWidth; x += 1) {
    const column = x - mask.x;
    if (column < 0 || column >= mask.width) {
      add(0, imageHeight);
      continue;
    }
    if (mask.y > 0) add(0, mask.y);
    for (let y = 0; y < mask.height; y += 1) add(mask.data[y * mask.width + column] ?? 0, 1);
    const below = imageHeight - mask.y - mask.height;
    if (below > 0) add(0, below);
  }
  runs.push(length);
  return { size: [imageHeight, imageWidth], counts: formatRuns(runs) };
}

/** What any of several masks shows. */
export function uniteMasks(masks: readonly CroppedMask[]): CroppedMask {
  const x = Math.min(...masks.map((mask) => mask.x));
  const y = Math.min(...masks.map((mask) => mask.y));
  const width = Math.max(...masks.map((mask) => mask.x + mask.width)) - x;
  const height = Math.max(...masks.map((mask) => mask.y + mask.height)) - y;
  const data = new Uint8Array(width * height);
  for (const mask of masks) {
    for (let row = 0; row < mask.height; row += 1) {
      const target = (mask.y - y + row) * width + mask.x - x;
      for (let column = 0; column < mask.width; column += 1) {
        if (mask.data[row * mask.width + column]) data[target + column] = 1;
      }
    }
  }
  return { x, y, width, height, data };
}

export function countPixels(mask: CroppedMask): number {
  let count = 0;
  for (const value of mask.data) count += value;
  return count;
}

export function toBox(mask: CroppedMask): Box {
  return { x0: mask.x, y0: mask.y, x1: mask.x + mask.width, y1: mask.y + mask.height };
}
