import type { Box, ObjectPrompt } from "maquette";
import { pickColor, toCss } from "../../lib/colors";
import type { MaskObject } from "./document";
import { prepareMask, strokeOutline } from "./painting";
import type { View } from "./view.svelte";

// with more of them, labels hide what they name
const MOST_LABELS = 60;
const LABEL_FONT = "600 12px ui-sans-serif, system-ui, sans-serif";
const LABEL_HEIGHT = 21;
const POINT_RADIUS = 6;

export interface Scene {
  picture: CanvasImageSource;
  overlay: HTMLCanvasElement;
  width: number;
  height: number;
  objects: readonly MaskObject[];
  selected: ReadonlySet<number>;
  hovered: number | null;
  prompt: ObjectPrompt | null;
  draft: Box | null;
  showsLabels: boolean;
}

/** Draw the image, the painted masks, and what is selected; about a millisecond, whatever the number of masks. */
export function drawScene(context: CanvasRenderingContext2D, view: View, scene: Scene, ratio: number): void {
  const { canvas } = context;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const scale = view.scale * ratio;
  context.setTransform(scale, 0, 0, scale, view.x * ratio, view.y * ratio);
  // pixels stay pixels when one looks closely
  context.imageSmoothingEnabled = view.scale < 4;
  context.drawImage(scene.picture, 0, 0, scene.width, scene.height);
  context.drawImage(scene.overlay, 0, 0, scene.width, scene.height);
  for (const object of scene.objects) {
    if (!scene.selected.has(object.id) && object.id !== scene.hovered) continue;
    const { path } = prepareMask(object.mask);
    context.fillStyle = toCss(pickColor(object.color), 0.25);
    context.fill(path, "evenodd");
    strokeOutline(context, path, object.color, 2 / view.scale);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (scene.showsLabels) drawLabels(context, view, scene);
  if (scene.prompt?.box) drawBox(context, view, scene.prompt.box, true);
  if (scene.draft) drawBox(context, view, scene.draft, false);
  for (const point of scene.prompt?.points ?? []) drawPoint(context, view, point.x, point.y, point.label !== 0);
}

function drawLabels(context: CanvasRenderingContext2D, view: View, scene: Scene): void {
  context.font = LABEL_FONT;
  context.textBaseline = "middle";
  const largest = scene.objects.toSorted((a, b) => b.area - a.area).slice(0, MOST_LABELS);
  const taken: { x: number; y: number; width: number }[] = [];
  for (const object of largest) {
    const score = object.score === null ? "" : ` ${object.score.toFixed(2)}`;
    const text = `${object.label}${score}`;
    const width = context.measureText(text).width + 12;
    const x = Math.max(2, object.box.x0 * view.scale + view.x);
    const y = findRow(taken, x, Math.max(12, object.box.y0 * view.scale + view.y), width + 8);
    context.fillStyle = "rgb(20 16 12 / 82%)";
    context.beginPath();
    context.roundRect(x, y - 10, width + 8, 20, 4);
    context.fill();
    context.fillStyle = toCss(pickColor(object.color));
    context.beginPath();
    context.roundRect(x + 4, y - 5, 8, 10, 2);
    context.fill();
    context.fillStyle = "white";
    context.fillText(text, x + 16, y + 0.5);
  }
}

/** The height at which a label covers none of those before it, if one is near; it is taken from then on. */
function findRow(taken: { x: number; y: number; width: number }[], x: number, wanted: number, width: number): number {
  let y = wanted;
  for (let tries = 0; tries < 4; tries += 1) {
    const other = taken.find((one) => Math.abs(one.y - y) < LABEL_HEIGHT && one.x < x + width && x < one.x + one.width);
    if (!other) break;
    y = other.y + LABEL_HEIGHT;
  }
  taken.push({ x, y, width });
  return y;
}

function drawBox(context: CanvasRenderingContext2D, view: View, box: Box, isDashed: boolean): void {
  const [x, y] = [box.x0 * view.scale + view.x, box.y0 * view.scale + view.y];
  const [width, height] = [(box.x1 - box.x0) * view.scale, (box.y1 - box.y0) * view.scale];
  context.setLineDash([]);
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.strokeRect(x, y, width, height);
  context.setLineDash(isDashed ? [6, 4] : []);
  context.lineWidth = 1.5;
  context.strokeStyle = "white";
  context.strokeRect(x, y, width, height);
  context.setLineDash([]);
}

function drawPoint(context: CanvasRenderingContext2D, view: View, x: number, y: number, isOn: boolean): void {
  const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
  context.beginPath();
  context.arc(left, top, POINT_RADIUS, 0, 2 * Math.PI);
  context.fillStyle = isOn ? "#1a7f4b" : "#b3261e";
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = "white";
  context.stroke();
  // a sign, not the colour alone, says which is which
  context.beginPath();
  context.moveTo(left - 3, top);
  context.lineTo(left + 3, top);
  if (isOn) {
    context.moveTo(left, top - 3);
    context.lineTo(left, top + 3);
  }
  context.lineWidth = 1.5;
  context.stroke();
}
