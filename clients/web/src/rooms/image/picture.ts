import { type Media, MaquetteError } from "maquette";
import { sendFile, service } from "../../lib/service";

/** A picture on the page, upright. */
export interface Picture {
  media: Media;
  name: string;
  source: CanvasImageSource;
  width: number;
  height: number;
}

// what the gateway takes at most by default; a file above it is refused before it is sent
const MOST_BYTES = 4 * 2 ** 30;
// larger images are shown smaller: masks keep the image's own pixels
const LARGEST_SHOWN = 8192;

/** Send an image and show it; throws MaquetteError for what is no image. */
export async function openPicture(file: Blob, name: string, onProgress: (share: number) => void): Promise<Picture> {
  if (file.size > MOST_BYTES) {
    throw refuse("upload_too_large", `${name} has ${file.size.toLocaleString()} bytes: uploads have at most 4 GB`);
  }
  const media = await sendFile(file, onProgress);
  if (media.kind !== "image") {
    const room = media.kind === "video" ? "the room Video takes it" : "choose an image";
    throw refuse("not_an_image", `${name} is of the kind ${media.kind}: ${room}`);
  }
  return show(media, name, file);
}

/** Show an image that was sent before. */
export async function loadPicture(id: string): Promise<Picture> {
  const media = await service.getUpload(id);
  const answer = await service.uploadContent(id);
  return show(media, "picture", await answer.blob());
}

async function show(media: Media, name: string, bytes: Blob): Promise<Picture> {
  const [width, height] = [media.width ?? 0, media.height ?? 0];
  const shrink = Math.min(1, LARGEST_SHOWN / Math.max(width, height));
  const options: ImageBitmapOptions = { imageOrientation: "from-image" };
  if (shrink < 1) Object.assign(options, { resizeWidth: Math.round(width * shrink), resizeQuality: "high" });
  try {
    return { media, name, source: await createImageBitmap(bytes, options), width, height };
  } catch {
    // formats that browsers do not show, such as TIFF and HEIC: masks are still made
    return { media, name, source: makePlaceholder(width, height), width, height };
  }
}

function makePlaceholder(width: number, height: number): CanvasImageSource {
  const canvas = new OffscreenCanvas(Math.max(1, width), Math.max(1, height));
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = "#77706a";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "white";
    context.font = `${Math.round(width / 24)}px sans-serif`;
    context.textAlign = "center";
    context.fillText("This browser cannot show this format; masks work.", width / 2, height / 2);
  }
  return canvas;
}

function refuse(code: string, detail: string): MaquetteError {
  return new MaquetteError({ type: `urn:maquette:problem:${code}`, title: code, status: 422, code, detail });
}
