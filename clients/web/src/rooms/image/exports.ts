import { traceOutlines } from "../../lib/outlines";
import type { MaskObject } from "./document";
import { prepareMask } from "./painting";

export type ExportFormat = "rle" | "polygon" | "png";

/** Masks as JSON in COCO's compressed RLE. */
export function toRleText(objects: readonly MaskObject[]): string {
  return JSON.stringify(objects.map(({ label, score, box, area, mask }) => ({ label, score, box, area, mask })), null, 1);
}

/** Masks as JSON of rings x0, y0, x1, y1, …, to be filled by the even-odd rule. */
export function toPolygonText(objects: readonly MaskObject[]): string {
  const records = objects.map((object) => ({
    label: object.label,
    score: object.score,
    polygons: traceOutlines(prepareMask(object.mask).mask),
  }));
  return JSON.stringify(records);
}

/** Masks as one PNG of the image's size: white on transparent. */
export async function toPng(objects: readonly MaskObject[], width: number, height: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser gives the page no canvas of that size");
  context.fillStyle = "white";
  for (const object of objects) context.fill(prepareMask(object.mask).path, "evenodd");
  return canvas.convertToBlob({ type: "image/png" });
}

/** Copy masks to the clipboard; where a browser does not allow that for images, they are saved. */
export async function copyMasks(
  objects: readonly MaskObject[],
  format: ExportFormat,
  width: number,
  height: number,
): Promise<"copied" | "saved"> {
  if (format !== "png") {
    await navigator.clipboard.writeText(format === "rle" ? toRleText(objects) : toPolygonText(objects));
    return "copied";
  }
  const png = await toPng(objects, width, height);
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    return "copied";
  } catch {
    saveFile(png, "masks.png");
    return "saved";
  }
}

/** Save bytes as a file of the browser's downloads. */
export function saveFile(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
