import type { Box, Exemplar, Instance, ObjectPrompt } from "maquette";
import { History } from "../../lib/history.svelte";
import { notices } from "../../lib/notices.svelte";
import { countPixels, toBox } from "../../lib/rle";
import { router } from "../../lib/router.svelte";
import { keepInTab } from "../../lib/tab_storage";
import { type Stroke, applyStroke } from "./brush";
import * as documents from "./document";
import { type Picture, loadPicture, openPicture } from "./picture";
import { loadDocument, segment, segmentObject } from "./segmenting";

// everything that might be wanted is asked for once; the slider then filters at once
const FLOOR = 0.1;
const FIRST_THRESHOLD = 0.5;
const STORED = "image:";
const LAST = "image";

/** The image and its masks, and what is under way; it outlives the room while the page is open. */
class ImageState {
  picture = $state.raw<Picture | null>(null);
  readonly history = new History<documents.ImageDocument>(documents.EMPTY);
  selected = $state.raw<ReadonlySet<number>>(new Set());
  hovered = $state<number | null>(null);
  phrase = $state("");
  /** What is being done, in words; null when nothing is. */
  work = $state<string | null>(null);
  uploaded = $state<number | null>(null);
  /** How long the last click took, from the press of the button to the mask, in milliseconds. */
  clickMs = $state<number | null>(null);
  /** What was clicked and is not answered yet. */
  draft = $state.raw<{ target: number | null; prompt: ObjectPrompt } | null>(null);
  #clicks = new AbortController();
  #running = 0;

  get document(): documents.ImageDocument {
    return this.history.current;
  }

  /** The prompt of the only selected object, to be refined. */
  get prompt(): ObjectPrompt | null {
    if (this.draft) return this.draft.prompt;
    if (this.selected.size !== 1) return null;
    return this.document.objects.find((object) => this.selected.has(object.id))?.prompt ?? null;
  }

  async open(file: Blob, name: string): Promise<void> {
    await this.#run(`Sending ${name}`, async () => {
      this.uploaded = 0;
      const picture = await openPicture(file, name, (share) => (this.uploaded = share)).finally(
        () => (this.uploaded = null),
      );
      this.#show(picture, restore(picture.media.id) ?? documents.EMPTY);
      router.go(`/image/${picture.media.id}`);
    });
  }

  /** Follow a link to an image that was sent before: with the masks of a job, or those that this tab has. */
  async follow(id: string, job: string | null): Promise<void> {
    if ((this.picture?.media.id === id && !job) || this.#running) return;
    await this.#run("Loading the image", async () => {
      // what cannot be loaded is not tried again and again
      sessionStorage.removeItem(LAST);
      const picture = this.picture?.media.id === id ? this.picture : await loadPicture(id);
      if (job) {
        this.#show(picture, await loadDocument(job, FIRST_THRESHOLD));
        router.replace(`/image/${id}`);
      } else this.#show(picture, restore(id) ?? documents.EMPTY);
    });
  }

  /** Go back to what this tab had open last, if it had anything. */
  reopen(): void {
    const id = sessionStorage.getItem(LAST);
    if (!this.picture && id) router.replace(`/image/${id}`);
  }

  close(): void {
    this.picture = null;
    sessionStorage.removeItem(LAST);
    router.go("/image");
  }

  #show(picture: Picture, document: documents.ImageDocument): void {
    keepInTab(LAST, picture.media.id);
    this.picture = picture;
    this.selected = new Set();
    this.history.reset(document);
  }

  /** Put a document in place as one step that can be undone. */
  edit(next: documents.ImageDocument): void {
    this.history.push(next);
    this.store();
  }

  store(): void {
    const id = this.picture?.media.id;
    if (!id) return;
    const text = JSON.stringify(this.document);
    if (keepInTab(STORED + id, text)) return;
    // more masks than a tab may store: those of other images go, and these stay at least on the page
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(STORED)) sessionStorage.removeItem(key);
    keepInTab(STORED + id, text);
  }

  async findPhrase(): Promise<void> {
    const title = this.phrase.trim();
    const id = this.picture?.media.id;
    if (!title || !id) return;
    await this.#run(`Looking for ${title}`, async () => {
      for (const text of title.split(",").map((part) => part.trim()).filter(Boolean)) {
        const found = await segment({ image: { id }, text: [text], threshold: FLOOR });
        this.#addGroup(`phrase:${text}`, text, [], found.instances, found.job, found.reason);
      }
      this.phrase = "";
    });
  }

  async findAlike(box: Box, positive: boolean): Promise<void> {
    const id = this.picture?.media.id;
    if (!id) return;
    const group = this.document.groups.find((known) => known.kind === "exemplars");
    const exemplars = [...(group?.exemplars ?? []), { box, positive }];
    if (!exemplars.some((exemplar) => exemplar.positive)) {
      notices.say("Draw an example of what is meant first; Shift marks what is not meant.");
      return;
    }
    await this.#run("Looking for what is alike", async () => {
      const found = await segment({ image: { id }, exemplars, threshold: FLOOR });
      this.#addGroup("exemplars", "like the example", exemplars, found.instances, found.job, found.reason);
    });
  }

  #addGroup(id: string, title: string, exemplars: Exemplar[], found: Instance[], job: string, reason: string | null): void {
    const kind = exemplars.length ? "exemplars" : "phrase";
    const before = this.document.groups.find((group) => group.id === id);
    // where nothing is certain, what is there is shown all the same
    const best = Math.max(0, ...found.map((instance) => instance.score ?? 1));
    const threshold = before?.threshold ?? (best < FIRST_THRESHOLD ? FLOOR : FIRST_THRESHOLD);
    const group = { id, kind, title, exemplars, threshold, floor: FLOOR } as const;
    this.edit(documents.addGroup(this.document, group, found, job));
    if (!found.length) notices.say(reason ?? `Nothing was found for “${title}”.`);
  }

  /** Name a new object by a point, or refine the selected one. */
  async click(x: number, y: number, label: 0 | 1): Promise<void> {
    const target = this.#findTarget();
    const point = { x, y, label };
    if (this.draft) {
      const { target: begun, prompt } = this.draft;
      await this.#prompt(begun, { ...prompt, points: [...(prompt.points ?? []), point] });
      return;
    }
    if (!target && label === 0) {
      notices.say("Select an object first, then click what does not belong to it.");
      return;
    }
    const before = target?.prompt ?? (target ? { box: target.box } : {});
    await this.#prompt(target?.id ?? null, { ...before, points: [...(before.points ?? []), point] });
  }

  async draw(box: Box): Promise<void> {
    await this.#prompt(null, { box });
  }

  paint(stroke: Stroke): void {
    const target = this.#findTarget();
    if (!target) {
      notices.say("Select one object in the list, then paint on it.");
      return;
    }
    const next = applyStroke(target.mask, stroke);
    if (!next) {
      notices.say("Nothing would be left of the mask: delete it instead.");
      return;
    }
    const area = countPixels(next.mask);
    const changed = { mask: next.rle, box: toBox(next.mask), area, job: null };
    this.edit(documents.change(this.document, [target.id], (object) => ({ ...object, ...changed })));
  }

  #findTarget(): documents.MaskObject | null {
    if (this.selected.size !== 1) return null;
    return this.document.objects.find((object) => this.selected.has(object.id)) ?? null;
  }

  async #prompt(target: number | null, prompt: ObjectPrompt): Promise<void> {
    const image = this.picture?.media.id;
    if (!image) return;
    // of several quick clicks only the last one's mask matters: it has all points
    this.#clicks.abort();
    const clicks = (this.#clicks = new AbortController());
    const started = performance.now();
    const draft = (this.draft = { target, prompt });
    await this.#run("Segmenting", async () => {
      const found = await segmentObject(image, prompt, clicks.signal).finally(() => {
        if (this.draft === draft) this.draft = null;
      });
      if (clicks.signal.aborted) return;
      if (!found) {
        notices.say("The engine found no mask there.");
        return;
      }
      const id = target ?? this.document.nextId;
      this.edit(documents.putPrompted(this.document, target, prompt, found.instance, found.job));
      this.selected = new Set([id]);
      this.clickMs = performance.now() - started;
    });
  }

  async #run(work: string, task: () => Promise<void>): Promise<void> {
    this.work = work;
    this.#running += 1;
    try {
      await task();
    } catch (error) {
      notices.report(error);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.work = null;
    }
  }
}

function restore(id: string): documents.ImageDocument | null {
  try {
    return JSON.parse(sessionStorage.getItem(STORED + id) ?? "null") as documents.ImageDocument | null;
  } catch {
    return null;
  }
}

export const image = new ImageState();
