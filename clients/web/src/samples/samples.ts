// drawn by scripts/draw_samples.py
const files = import.meta.glob<string>("./*.webp", { eager: true, import: "default", query: "?url" });

export interface Sample {
  name: string;
  url: string;
}

/** Pictures to try the page with. */
export const SAMPLES: readonly Sample[] = Object.entries(files).map(([path, url]) => ({
  name: path.replace(/^\.\/|\.webp$/g, "").replaceAll("-", " "),
  url,
}));
