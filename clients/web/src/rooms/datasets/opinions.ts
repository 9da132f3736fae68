import type { Review } from "maquette";

export type Verdict = "keep" | "reject";

/** What a person thinks of a clip or a track; it is sent with others, as a new version. */
export interface Opinion {
  clip: string;
  track: number | null;
  verdict: Verdict;
  reason: string | null;
  at: string;
}

/** Opinions by place: a clip, or a track of it. */
export type Opinions = ReadonlyMap<string, Opinion>;

export function toPlace(clip: string, track: bigint | number | null): string {
  return track === null ? clip : `${clip}/${track}`;
}

/** The opinions with another one; the same verdict again takes it back. */
export function decide(opinions: Opinions, opinion: Opinion): Opinions {
  const place = toPlace(opinion.clip, opinion.track);
  const next = new Map(opinions);
  if (next.get(place)?.verdict === opinion.verdict) next.delete(place);
  else next.set(place, opinion);
  return next;
}

/** The opinions with another reason at a place. */
export function explain(opinions: Opinions, place: string, reason: string): Opinions {
  const known = opinions.get(place);
  return known ? new Map(opinions).set(place, { ...known, reason: reason.trim() || null }) : opinions;
}

export function toReviews(opinions: Opinions): Review[] {
  return [...opinions.values()];
}
