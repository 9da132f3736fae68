import type { Box, Exemplar, Instance, ObjectPrompt, Rle } from "maquette";
import { countPixels, decodeRle, encodeRle, toBox, uniteMasks } from "../../lib/rle";

/** What one phrase, or one set of examples, found; instances below the threshold are only not shown. */
export interface Group {
  id: string;
  kind: "phrase" | "exemplars";
  title: string;
  exemplars: Exemplar[];
  threshold: number;
  /** Lowest score that was asked for. */
  floor: number;
}

/** One object with its mask. */
export interface MaskObject {
  id: number;
  /** Number of its colour. */
  color: number;
  group: string | null;
  label: string;
  score: number | null;
  box: Box;
  area: number;
  mask: Rle;
  /** What named it, to be refined by further clicks; null for what a group found. */
  prompt: ObjectPrompt | null;
  hidden: boolean;
  /** The job that found it; null once it was corrected by hand. */
  job: string | null;
}

export interface ImageDocument {
  groups: readonly Group[];
  objects: readonly MaskObject[];
  nextId: number;
  nextColor: number;
}

export const EMPTY: ImageDocument = { groups: [], objects: [], nextId: 1, nextColor: 1 };

/** The objects that are shown: not hidden, and at least as certain as their group's threshold. */
export function listShown(document: ImageDocument): MaskObject[] {
  const thresholds = new Map(document.groups.map((group) => [group.id, group.threshold]));
  return document.objects.filter((object) => !object.hidden && passes(object, thresholds));
}

/** The objects that pass their group's threshold, hidden ones too. */
export function listKept(document: ImageDocument): MaskObject[] {
  const thresholds = new Map(document.groups.map((group) => [group.id, group.threshold]));
  return document.objects.filter((object) => passes(object, thresholds));
}

function passes(object: MaskObject, thresholds: ReadonlyMap<string, number>): boolean {
  const threshold = object.group === null ? undefined : thresholds.get(object.group);
  return threshold === undefined || object.score === null || object.score >= threshold;
}

/** Add what a group found; a group of the same id is replaced. */
export function addGroup(document: ImageDocument, group: Group, found: readonly Instance[], job: string): ImageDocument {
  // what is shown first gets colours of its own; what the slider may bring up shares those of later objects
  const sorted = found.toSorted((a, b) => (b.score ?? 1) - (a.score ?? 1));
  const certain = sorted.filter((instance) => (instance.score ?? 1) >= group.threshold);
  const objects = sorted.map((instance, index) => ({
    ...toObject(instance, document.nextId + index, document.nextColor + index, job),
    group: group.id,
    label: instance.label ?? group.title,
  }));
  const others = removeGroup(document, group.id);
  return {
    groups: [...others.groups, group],
    objects: [...others.objects, ...objects],
    nextId: document.nextId + objects.length,
    nextColor: document.nextColor + certain.length,
  };
}

export function removeGroup(document: ImageDocument, id: string): ImageDocument {
  return {
    ...document,
    groups: document.groups.filter((group) => group.id !== id),
    objects: document.objects.filter((object) => object.group !== id),
  };
}

export function setThreshold(document: ImageDocument, id: string, threshold: number): ImageDocument {
  const groups = document.groups.map((group) => (group.id === id ? { ...group, threshold } : group));
  return { ...document, groups };
}

/** Add the object that a click or a box named, or put its new mask in place. */
export function putPrompted(
  document: ImageDocument,
  id: number | null,
  prompt: ObjectPrompt,
  instance: Instance,
  job: string,
): ImageDocument {
  const known = document.objects.find((object) => object.id === id);
  const number = known?.id ?? document.nextId;
  const fresh = { ...toObject(instance, number, known?.color ?? document.nextColor, job), prompt };
  if (!known) {
    const object = { ...fresh, label: findFreeName(document) };
    const objects = [...document.objects, object];
    return { ...document, objects, nextId: number + 1, nextColor: document.nextColor + 1 };
  }
  // a refined instance of a phrase keeps its label, and leaves the group that its old score belongs to
  return change(document, [number], () => ({ ...fresh, label: known.label, hidden: false }));
}

function findFreeName(document: ImageDocument): string {
  const taken = new Set(document.objects.map(({ label }) => label));
  let number = 1;
  while (taken.has(`object ${number}`)) number += 1;
  return `object ${number}`;
}

export function change(
  document: ImageDocument,
  ids: readonly number[],
  to: (object: MaskObject) => MaskObject,
): ImageDocument {
  const chosen = new Set(ids);
  return { ...document, objects: document.objects.map((object) => (chosen.has(object.id) ? to(object) : object)) };
}

export function removeObjects(document: ImageDocument, ids: readonly number[]): ImageDocument {
  const chosen = new Set(ids);
  return { ...document, objects: document.objects.filter((object) => !chosen.has(object.id)) };
}

/** Replace several objects by one that shows what any of them shows; its label is the first one's. */
export function mergeObjects(document: ImageDocument, ids: readonly number[]): ImageDocument {
  const parts = document.objects.filter((object) => ids.includes(object.id));
  const [first] = parts;
  if (!first || parts.length < 2) return document;
  const united = uniteMasks(parts.map((part) => decodeRle(part.mask)));
  const [height, width] = first.mask.size;
  const merged: MaskObject = {
    ...first,
    group: null,
    score: null,
    prompt: null,
    job: null,
    mask: encodeRle(united, width, height),
    box: toBox(united),
    area: countPixels(united),
  };
  return change(removeObjects(document, ids.filter((id) => id !== first.id)), [first.id], () => merged);
}

function toObject(instance: Instance, id: number, color: number, job: string): MaskObject {
  return {
    id,
    color,
    group: null,
    label: instance.label ?? `object ${id}`,
    score: instance.score,
    box: instance.box,
    area: instance.area,
    mask: instance.mask,
    prompt: null,
    hidden: false,
    job,
  };
}
