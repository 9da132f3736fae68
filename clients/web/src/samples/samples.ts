// drawn by scripts/draw_samples.py
const pictures = import.meta.glob<string>("./*.webp", { eager: true, import: "default", query: "?url" });
const videos = import.meta.glob<string>("./*.mp4", { eager: true, import: "default", query: "?url" });

export interface Sample {
  name: string;
  url: string;
}

/** Pictures to try the page with. */
export const SAMPLES: readonly Sample[] = list(pictures);

/** Videos to try the page with. */
export const SAMPLE_VIDEOS: readonly Sample[] = list(videos);

function list(files: Record<string, string>): Sample[] {
  return Object.entries(files).map(([path, url]) => ({
    name: path.replace(/^\.\/|\.\w+$/g, "").replaceAll("-", " "),
    url,
  }));
}
