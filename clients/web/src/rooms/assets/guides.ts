import {
  AxesHelper,
  type Box3,
  CanvasTexture,
  Color,
  GridHelper,
  Group,
  SRGBColorSpace,
  Sprite,
  SpriteMaterial,
  Vector3,
} from "three";

/** A ground grid and axes with their lengths, about an asset. */
export interface Guides {
  group: Group;
  /** Side of a square of the grid, in units of the asset. */
  step: number;
}

// the grid has about this many squares on each side
const SQUARES = 10;

/** The round number (1, 2 or 5 times a power of ten) nearest below a length. */
export function roundStep(length: number): number {
  const power = 10 ** Math.floor(Math.log10(length));
  const digit = length / power;
  return power * (digit >= 5 ? 5 : digit >= 2 ? 2 : 1);
}

export function makeGuides(bounds: Box3, unit: string, isDark: boolean): Guides {
  const group = new Group();
  const size = bounds.getSize(new Vector3());
  const centre = bounds.getCenter(new Vector3());
  const step = roundStep((Math.max(size.x, size.y, size.z) * 2) / SQUARES);
  const [strong, weak] = isDark ? ["#6d655b", "#3a352f"] : ["#9c9183", "#c9c0b3"];
  const grid = new GridHelper(step * SQUARES * 2, SQUARES * 2, new Color(strong), new Color(weak));
  grid.position.set(centre.x, bounds.min.y, centre.z);
  const length = roundStep(Math.max(size.x, size.y, size.z) * 0.9);
  const axes = new AxesHelper(length);
  axes.position.set(bounds.min.x - size.x * 0.1, bounds.min.y, bounds.min.z - size.z * 0.1);
  group.add(grid, axes);
  const places: [string, Vector3, string][] = [
    ["x", new Vector3(length, 0, 0), isDark ? "#ff8a78" : "#b3261e"],
    ["y", new Vector3(0, length, 0), isDark ? "#8fd08f" : "#23662a"],
    ["z", new Vector3(0, 0, length), isDark ? "#8fb8f2" : "#1f56a8"],
  ];
  for (const [name, offset, color] of places) {
    const label = makeLabel(`${name} ${formatLength(length)}${unit}`, color, length * 0.17, isDark);
    label.position.copy(axes.position).add(offset.multiplyScalar(1.08));
    group.add(label);
  }
  return { group, step };
}

export function formatLength(length: number): string {
  return Number(length.toPrecision(2)).toString();
}

function makeLabel(text: string, color: string, height: number, isDark: boolean): Sprite {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [256, 64];
  const context = canvas.getContext("2d");
  if (context) {
    context.font = "600 36px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 6;
    // seen before the asset as well as beside it
    context.strokeStyle = isDark ? "rgb(0 0 0 / 80%)" : "rgb(255 255 255 / 85%)";
    context.strokeText(text, 128, 32);
    context.fillStyle = color;
    context.fillText(text, 128, 32);
  }
  const map = new CanvasTexture(canvas);
  map.colorSpace = SRGBColorSpace;
  const sprite = new Sprite(new SpriteMaterial({ map, depthTest: false }));
  sprite.scale.set(height * 4, height, 1);
  return sprite;
}
