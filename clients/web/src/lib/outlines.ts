import type { CroppedMask } from "./rle";

/** A closed ring of corners of pixels: x0, y0, x1, y1, … in the image. */
export type Ring = number[];

// directions along the edges of pixels: right, down, left, up
const STEP_X = [1, 0, -1, 0];
const STEP_Y = [0, 1, 0, -1];

/** The outlines of a mask along the edges of its pixels: outer rings, and holes the other way round. */
export function traceOutlines(mask: CroppedMask): Ring[] {
  const { width, height } = mask;
  const isSet = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && mask.data[y * width + x] === 1;
  // an upper edge of a pixel starts a ring unless a ring has passed it
  const passed = new Uint8Array((width + 1) * (height + 1));
  const rings: Ring[] = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (isSet(x, y) && !isSet(x, y - 1) && !passed[y * (width + 1) + x]) rings.push(trace(x, y));
    }
  }
  return rings;

  function trace(startX: number, startY: number): Ring {
    const ring: Ring = [];
    let [x, y, direction] = [startX, startY, 0];
    let last = -1;
    do {
      if (direction === 0) passed[y * (width + 1) + x] = 1;
      if (direction !== last) ring.push(mask.x + x, mask.y + y);
      last = direction;
      x += STEP_X[direction] ?? 0;
      y += STEP_Y[direction] ?? 0;
      direction = turn(x, y, direction);
    } while (x !== startX || y !== startY || direction !== 0);
    return ring;
  }

  // the mask lies to the right of the way; pixels that touch at a corner are kept apart
  function turn(x: number, y: number, direction: number): number {
    const ahead = [
      [isSet(x, y - 1), isSet(x, y)],
      [isSet(x, y), isSet(x - 1, y)],
      [isSet(x - 1, y), isSet(x - 1, y - 1)],
      [isSet(x - 1, y - 1), isSet(x, y - 1)],
    ][direction];
    const [left, right] = ahead ?? [false, false];
    if (!right) return (direction + 1) % 4;
    return left ? (direction + 3) % 4 : direction;
  }
}

/** Rings as a path; an even-odd fill leaves the holes open. */
export function toPath(rings: readonly Ring[]): Path2D {
  const path = new Path2D();
  for (const ring of rings) {
    for (let index = 0; index < ring.length; index += 2) {
      const [x, y] = [ring[index] ?? 0, ring[index + 1] ?? 0];
      if (index === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    path.closePath();
  }
  return path;
}
