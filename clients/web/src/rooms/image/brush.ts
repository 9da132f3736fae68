import type { Rle } from "maquette";
import { type CroppedMask, decodeRle, encodeRle } from "../../lib/rle";

export interface Stroke {
  points: readonly { x: number; y: number }[];
  radius: number;
  erases: boolean;
}

/** A mask with a stroke of the brush added or taken away; null where nothing is left. */
export function applyStroke(rle: Rle, stroke: Stroke): { rle: Rle; mask: CroppedMask } | null {
  const [height, width] = rle.size;
  const full = new Uint8Array(width * height);
  const before = decodeRle(rle);
  for (let row = 0; row < before.height; row += 1) {
    const source = before.data.subarray(row * before.width, (row + 1) * before.width);
    full.set(source, (before.y + row) * width + before.x);
  }
  for (const { x, y } of fillGaps(stroke)) stamp(full, width, height, x, y, stroke.radius, stroke.erases ? 0 : 1);
  const after = encodeRle({ x: 0, y: 0, width, height, data: full }, width, height);
  const mask = decodeRle(after);
  return mask.width === 0 ? null : { rle: after, mask };
}

// a fast pointer reports few points: the way between them is painted as well
function* fillGaps({ points, radius }: Stroke): Generator<{ x: number; y: number }> {
  let last = points[0];
  for (const point of points) {
    if (!last) return;
    const steps = Math.ceil(Math.hypot(point.x - last.x, point.y - last.y) / Math.max(1, radius / 2));
    for (let step = 1; step <= steps; step += 1) {
      const share = step / steps;
      yield { x: last.x + (point.x - last.x) * share, y: last.y + (point.y - last.y) * share };
    }
    if (steps === 0) yield point;
    last = point;
  }
}

function stamp(
  pixels: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  radius: number,
  value: number,
): void {
  for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row += 1) {
    const half = Math.sqrt(Math.max(0, radius * radius - (row + 0.5 - y) ** 2));
    const [start, stop] = [Math.max(0, Math.round(x - half)), Math.min(width, Math.round(x + half))];
    if (stop > start) pixels.fill(value, row * width + start, row * width + stop);
  }
}
