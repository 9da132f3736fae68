import { ConnectionLost, readProblem } from "maquette";

// drawn by scripts/draw_samples.py
const pictures = import.meta.glob<string>("./*.webp", { eager: true, import: "default", query: "?url" });
const videos = import.meta.glob<string>("./*.mp4", { eager: true, import: "default", query: "?url" });

export interface Sample {
  name: string;
  url: string;
  /** What is to be found on it. */
  phrases: string;
}

const PHRASES: Readonly<Record<string, string>> = { "rolling ball": "vase, sports ball" };

/** A sample as if it had been chosen from a disk; throws ConnectionLost without an answer. */
export async function loadSample({ name, url }: Sample): Promise<File> {
  const answer = await fetch(url).catch((error: unknown) => {
    throw new ConnectionLost(String(error));
  });
  if (!answer.ok) throw await readProblem(answer);
  return new File([await answer.blob()], name);
}

/** Images to try the page with. */
export const SAMPLES: readonly Sample[] = list(pictures);

/** Videos to try the page with. */
export const SAMPLE_VIDEOS: readonly Sample[] = list(videos);

function list(files: Record<string, string>): Sample[] {
  return Object.entries(files).map(([path, url]) => {
    const name = path.replace(/^\.\/|\.\w+$/g, "").replaceAll("-", " ");
    return { name, url, phrases: PHRASES[name] ?? "" };
  });
}
