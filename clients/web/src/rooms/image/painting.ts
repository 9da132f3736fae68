import type { Rle } from "maquette";
import { pickColor, toCss } from "../../lib/colors";
import { toPath, traceOutlines } from "../../lib/outlines";
import { type CroppedMask, decodeRle } from "../../lib/rle";
import type { MaskObject } from "./document";

// larger overlays are painted smaller and stretched: canvases have limits, and screens show no more
const LARGEST_OVERLAY = 4096;
const TINT = 0.32;

/** A decoded mask, its outline, and its pixels in one colour. */
export interface PaintedMask {
  mask: CroppedMask;
  path: Path2D;
  tints: Map<number, OffscreenCanvas>;
}

const cache = new WeakMap<Rle, PaintedMask>();

/** The pixels and the outline of a mask, decoded once. */
export function prepareMask(rle: Rle): PaintedMask {
  let known = cache.get(rle);
  if (!known) {
    const mask = decodeRle(rle);
    known = { mask, path: toPath(traceOutlines(mask)), tints: new Map() };
    cache.set(rle, known);
  }
  return known;
}

function tint(painted: PaintedMask, number: number): OffscreenCanvas | null {
  const { mask } = painted;
  if (mask.width === 0 || mask.height === 0) return null;
  let canvas = painted.tints.get(number);
  if (!canvas) {
    canvas = new OffscreenCanvas(mask.width, mask.height);
    const context = canvas.getContext("2d");
    if (!context) return null;
    const [red, green, blue] = pickColor(number);
    const pixels = context.createImageData(mask.width, mask.height);
    for (let index = 0; index < mask.data.length; index += 1) {
      if (mask.data[index]) pixels.data.set([red, green, blue, Math.round(TINT * 255)], index * 4);
    }
    context.putImageData(pixels, 0, 0);
    painted.tints.set(number, canvas);
  }
  return canvas;
}

/** Paint all masks once; panning and zooming then only move the painting. */
export function paintOverlay(
  canvas: HTMLCanvasElement,
  objects: readonly MaskObject[],
  width: number,
  height: number,
): void {
  const scale = Math.min(1, LARGEST_OVERLAY / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(scale, scale);
  const line = Math.max(1, Math.max(width, height) / 700);
  // large masks first: small ones stay visible on them
  for (const object of objects.toSorted((a, b) => b.area - a.area)) {
    const painted = prepareMask(object.mask);
    const tinted = tint(painted, object.color);
    if (!tinted) continue;
    context.drawImage(tinted, painted.mask.x, painted.mask.y);
    strokeOutline(context, painted.path, object.color, line);
  }
}

/** An outline that is seen on any picture: its colour between a dark and a light line. */
export function strokeOutline(
  context: CanvasRenderingContext2D,
  path: Path2D,
  number: number,
  line: number,
): void {
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 55%)";
  context.lineWidth = line * 2.6;
  context.stroke(path);
  context.strokeStyle = "rgb(255 255 255 / 90%)";
  context.lineWidth = line * 1.9;
  context.stroke(path);
  context.strokeStyle = toCss(pickColor(number));
  context.lineWidth = line * 1.2;
  context.stroke(path);
}

/** The smallest object under a pixel. */
export function findObjectAt(objects: readonly MaskObject[], x: number, y: number): MaskObject | null {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  const hits = objects.filter(({ mask: rle }) => {
    const { mask } = prepareMask(rle);
    const [dx, dy] = [column - mask.x, row - mask.y];
    return dx >= 0 && dy >= 0 && dx < mask.width && dy < mask.height && mask.data[dy * mask.width + dx] === 1;
  });
  return hits.toSorted((a, b) => a.area - b.area)[0] ?? null;
}
