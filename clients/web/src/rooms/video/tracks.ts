import type { Box, Rle } from "maquette";

/** One object in one frame. */
export interface Sighting {
  box: Box;
  mask: Rle;
  score: number;
  flags: string[];
}

/** One object through the video, by frame. */
export interface TrackView {
  id: number;
  label: string;
  sightings: Map<number, Sighting>;
}

export type Visibility = "seen" | "unsure" | "occluded" | "lost";

interface Row {
  frame: number;
  objects: { id: number; label: string | null; box: [number, number, number, number]; score: number; mask: Rle; flags?: string[] }[];
}

// below this, a person should look
const UNSURE = 0.6;

/** Tracks with the rows of a `masks` artefact added; rows replace what was known of their frames. */
export function addRows(tracks: ReadonlyMap<number, TrackView>, text: string): Map<number, TrackView> {
  const next = new Map(tracks);
  for (const line of text.split("\n")) {
    if (!line) continue;
    const row = JSON.parse(line) as Row;
    for (const track of next.values()) track.sightings.delete(row.frame);
    for (const item of row.objects) {
      const [x0, y0, x1, y1] = item.box;
      const track = next.get(item.id) ?? { id: item.id, label: item.label ?? `object ${item.id}`, sightings: new Map() };
      track.sightings.set(row.frame, { box: { x0, y0, x1, y1 }, mask: item.mask, score: item.score, flags: item.flags ?? [] });
      next.set(item.id, track);
    }
  }
  return next;
}

/** What is known of an object in a frame; null for a frame before the first or after the last one with it. */
export function findVisibility(track: TrackView, frame: number): Visibility | null {
  const sighting = track.sightings.get(frame);
  if (sighting) {
    if (sighting.flags.includes("occluded")) return "occluded";
    return sighting.score < UNSURE || sighting.flags.includes("identity_uncertain") ? "unsure" : "seen";
  }
  const frames = [...track.sightings.keys()];
  return frames.length && frame > Math.min(...frames) && frame < Math.max(...frames) ? "lost" : null;
}

/** Consecutive frames of one visibility, first and last inclusive. */
export interface Span {
  first: number;
  last: number;
  visibility: Visibility;
}

export function listSpans(track: TrackView): Span[] {
  const frames = [...track.sightings.keys()].toSorted((a, b) => a - b);
  const spans: Span[] = [];
  const [first, last] = [frames[0] ?? 0, frames.at(-1) ?? -1];
  for (let frame = first; frame <= last; frame += 1) {
    const visibility = track.sightings.has(frame) ? (findVisibility(track, frame) ?? "lost") : "lost";
    const before = spans.at(-1);
    if (before?.visibility === visibility) before.last = frame;
    else spans.push({ first: frame, last: frame, visibility });
  }
  return spans;
}

/** The next frame after (or before) this one in which an object is unsure, occluded or lost; null where all is well. */
export function findDoubt(tracks: Iterable<TrackView>, frame: number, step: 1 | -1): number | null {
  const starts = [...tracks]
    .flatMap((track) => listSpans(track))
    .filter((span) => span.visibility !== "seen")
    .map((span) => span.first)
    .filter((start) => (start - frame) * step > 0);
  if (!starts.length) return null;
  return step > 0 ? Math.min(...starts) : Math.max(...starts);
}
