import { toWords } from "../../lib/format";

// what the flags of results mean for somebody who looks at one
const SENTENCES: Record<string, string> = {
  default_engine: "Made by the default engine, which needs no GPU: expect a plain shape.",
  unseen_side_guessed: "The side that the picture does not show is a guess.",
  scale_not_metric: "Its size is not in metres: no depth and no known camera gave it.",
  low_iou: "Its outline does not agree well with the mask.",
  low_confidence: "The engine is not sure of it.",
  truncated: "The border of the picture cuts it.",
  occluded: "Something in front hides a part of it.",
  small: "It is small in the picture: details are missing.",
  shape_learned: "A network guessed its shape from pictures of other things.",
  camera_assumed: "The camera is not known: a common one was assumed.",
};

/** A flag as a sentence, or at least in words. */
export function explainFlag(flag: string): string {
  const words = toWords(flag);
  return SENTENCES[flag] ?? `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** What a unit of the asset is. */
export function describeScale(scale: string | null): string {
  if (scale === "metric") return "metres, measured";
  if (scale === "prior") return "metres, from what is usual";
  if (scale === "relative") return "no metres: relative size";
  return "unit unknown";
}
