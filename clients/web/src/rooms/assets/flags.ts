import { toWords } from "../../lib/format";

// what the flags of results mean for somebody who looks at one
const SENTENCES: Record<string, string> = {
  default_engine: "Made by the default engine, which needs no GPU: expect a plain shape.",
  camera_assumed: "The camera is not known: a common one was assumed.",
  scale_not_metric: "Its size is not in metres: no depth, camera or height gave it.",
  low_iou: "Its outline does not agree well with the mask.",
  low_confidence: "The engine is not sure of it.",
  truncated: "The border of the image cuts it.",
  occluded: "Something in front hides a part of it.",
  small: "It is small in the picture: details are missing.",
  tiny_mask: "Its mask has very few pixels: details are missing.",
  // objects
  unseen_side_guessed: "The side that the image does not show is a guess.",
  underside_guessed: "Its underside is a guess.",
  hollow_guessed: "How deep it is inside is a guess.",
  hollows_filled: "Hollows are not carved out.",
  shape_learned: "A network guessed its shape from images of other things.",
  shape_prior: "It is as thick as things of its name usually are.",
  shape_box: "It was taken for a box.",
  shape_turned: "It was taken for something round, as from a lathe.",
  multiple_components: "Its mask has several parts: all stand at one depth.",
  depth_unusable: "The depth map did not help: its shape was made without.",
  depth_distance_only: "The depth map is too noisy for a shape: it gives the distance alone.",
  depth_unit_assumed: "The unit of the depth map was not given: it was assumed.",
  size_implausible: "Things of this name have another size: look at the unit of the depth map.",
  from_one_view: "Made from one view alone.",
  narrow_arc: "The views are all from nearly the same side.",
  views_left_out: "Views whose masks do not agree with the others were left out.",
  splat_capped: "It has fewer Gaussians than the engine would make.",
  // bodies
  height_given: "Its size follows from the height that was given.",
  scale_from_group: "Its size follows from that of somebody on the same floor.",
  age_uncertain: "It may be a child or an adult: the height is uncertain.",
  not_grounded: "The person sits, jumps, or stands on something: not on the floor of the others.",
  ground_uncertain: "The person may sit or jump above the floor: the legs do not carry the body.",
  not_upright: "The person lies or leans far over.",
  several_people: "Somebody else is in the same place: one of them is shown.",
  depth_ambiguous: "A limb or the trunk may as well point the other way.",
  gravity_disagrees: "The direction of gravity that was given makes everybody lean.",
  low_visibility: "Less than three quarters of the body can be seen well.",
  contacts_uncertain: "At times it is not certain whether a foot stands.",
  camera_moved: "The camera moved for a while: in these frames its place is not known.",
  gaps_filled: "Frames in which it was not found are filled in.",
  gaps_open: "It was not found for a while: its motion is in several parts.",
  mask_disagrees: "The body does not agree with its mask.",
  high_reprojection_error: "The body does not lie well over the image.",
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
