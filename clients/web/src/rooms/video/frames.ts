const LONGEST_WAIT_MS = 1000;

/** A video whose frames can be drawn one by one. */
export class FrameReader {
  readonly element = document.createElement("video");
  #wanted: number | null = null;
  #isSeeking = false;
  #shown = 0;

  /** `onshow` is called with the frame that the element shows now, while it plays and after each seek. */
  constructor(
    readonly frameRate: number,
    readonly frames: number,
    readonly onshow: (frame: number) => void,
  ) {
    this.element.muted = true;
    this.element.playsInline = true;
    this.element.preload = "auto";
  }

  async open(url: string): Promise<void> {
    this.element.src = url;
    await new Promise<void>((resolve, reject) => {
      this.element.onloadeddata = () => resolve();
      this.element.onerror = () => reject(new Error("This browser cannot play this video; jobs can still use it."));
    });
    await this.seek(0);
    this.#follow();
  }

  /** Show a frame; of several that are asked for while one is on its way, the last one counts. */
  async seek(frame: number): Promise<void> {
    this.#wanted = Math.max(0, Math.min(this.frames - 1, Math.round(frame)));
    if (this.#isSeeking) return;
    this.#isSeeking = true;
    while (this.#wanted !== null) {
      const next: number = this.#wanted;
      this.#wanted = null;
      await seekTo(this.element, (next + 0.5) / this.frameRate);
      this.#show(next);
    }
    this.#isSeeking = false;
  }

  get isPlaying(): boolean {
    return !this.element.paused && !this.element.ended;
  }

  async play(): Promise<void> {
    await this.element.play();
  }

  pause(): void {
    this.element.pause();
  }

  close(): void {
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
  }

  #show(frame: number): void {
    this.#shown = frame;
    this.onshow(frame);
  }

  #follow(): void {
    this.element.requestVideoFrameCallback((_, { mediaTime }) => {
      if (this.isPlaying) this.#show(Math.min(this.frames - 1, Math.floor(mediaTime * this.frameRate + 0.01)));
      // on a busy machine a frame is there only some time after its seek has ended
      else if (!this.#isSeeking) this.#show(this.#shown);
      this.#follow();
    });
  }
}

/** Small images of a video at even distances, one after the other. */
export async function* takeThumbnails(url: string, count: number, height: number): AsyncGenerator<string> {
  const element = document.createElement("video");
  element.muted = true;
  element.src = url;
  await new Promise((resolve, reject) => {
    element.onloadeddata = resolve;
    element.onerror = reject;
  });
  const canvas = document.createElement("canvas");
  canvas.height = height;
  canvas.width = Math.round((height * element.videoWidth) / element.videoHeight);
  for (let index = 0; index < count; index += 1) {
    const isPresented = waitForFrame(element);
    await seekTo(element, ((index + 0.5) / count) * element.duration);
    await isPresented;
    canvas.getContext("2d")?.drawImage(element, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/webp", 0.6));
    if (blob) yield URL.createObjectURL(blob);
  }
  element.removeAttribute("src");
  element.load();
}

/** Resolves once another frame is there to be drawn, or after a while: the frame may be the same one. */
function waitForFrame(element: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    element.requestVideoFrameCallback(() => resolve());
    setTimeout(resolve, LONGEST_WAIT_MS);
  });
}

function seekTo(element: HTMLVideoElement, seconds: number): Promise<void> {
  return new Promise((resolve) => {
    element.onseeked = () => resolve();
    element.currentTime = seconds;
  });
}
