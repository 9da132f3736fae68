import { type Artefact, type Box, type Job, type Media, MaquetteError, type Session, type VideoPrompt, isFinal } from "maquette";
import { notices } from "../../lib/notices.svelte";
import { router } from "../../lib/router.svelte";
import { sendFile, service } from "../../lib/service";
import { keepInTab } from "../../lib/tab_storage";
import type { MaskObject } from "../image/document";
import { FrameReader, takeThumbnails } from "./frames";
import { type Sighting, type TrackView, addRows } from "./tracks";

export type Direction = "forward" | "backward" | "both";

/** Number of small images above the lanes. */
export const THUMBNAILS = 12;
const THUMBNAIL_HEIGHT = 54;
const FALLBACK_RATE = 25;
const STORED = "video:";
const LAST = "video";

/** A video, the session about it, and what is known of its objects; it outlives the room while the page is open. */
class VideoState {
  media = $state.raw<Media | null>(null);
  name = $state("");
  session = $state.raw<Session | null>(null);
  reader = $state.raw<FrameReader | null>(null);
  thumbnails = $state.raw<string[]>([]);
  frame = $state(0);
  /** Grows with each frame that is shown, also with the same frame shown anew. */
  shown = $state(0);
  isPlaying = $state(false);
  tracks = $state.raw<ReadonlyMap<number, TrackView>>(new Map());
  hidden = $state.raw<ReadonlySet<number>>(new Set());
  selected = $state<number | null>(null);
  phrase = $state("");
  job = $state.raw<Job | null>(null);
  work = $state<string | null>(null);
  uploaded = $state<number | null>(null);
  // prompts since the last propagation, with the tracks before each
  #past = $state.raw<{ prompt: VideoPrompt; tracks: ReadonlyMap<number, TrackView> }[]>([]);
  #future = $state.raw<VideoPrompt[]>([]);
  #watching = new AbortController();

  get canUndo(): boolean {
    return this.#past.length > 0 && this.work === null;
  }

  get canRedo(): boolean {
    return this.#future.length > 0 && this.work === null;
  }

  get frames(): number {
    return this.reader?.frames ?? 0;
  }

  /** The objects of the frame that is shown. */
  get objects(): MaskObject[] {
    return [...this.tracks.values()].flatMap((track) => {
      const sighting = track.sightings.get(this.frame);
      if (!sighting || this.hidden.has(track.id)) return [];
      const { box, mask, score } = sighting;
      const area = (box.x1 - box.x0) * (box.y1 - box.y0);
      return [{ id: track.id, color: track.id, group: null, label: track.label, score, box, area, mask, prompt: null, hidden: false, job: null }];
    });
  }

  /** Send a video and open it. */
  async open(file: Blob, name: string): Promise<void> {
    await this.#run(`Sending ${name}`, async () => {
      this.uploaded = 0;
      const media = await sendFile(file, (share) => (this.uploaded = share)).finally(() => (this.uploaded = null));
      await this.#show(media, name, URL.createObjectURL(file));
      router.go(`/video/${media.id}`);
    });
  }

  /** Follow a link to a video that was sent before, and to the tracks of a job. */
  async follow(id: string, job: string | null): Promise<void> {
    if (this.work || (this.media?.id === id && !job)) return;
    await this.#run("Loading the video", async () => {
      // what cannot be loaded is not tried again and again
      sessionStorage.removeItem(LAST);
      if (this.media?.id !== id) await this.#show(await service.getUpload(id), "video", service.uploadUrl(id));
      keepInTab(LAST, id);
      router.replace(`/video/${id}`);
      if (job) await this.#watch(await service.getJob(job));
      else await this.#restore(id);
    });
  }

  /** Go back to what this tab had open last, if it had anything. */
  reopen(): void {
    const id = sessionStorage.getItem(LAST);
    if (!this.media && id) router.replace(`/video/${id}`);
  }

  leave(): void {
    this.close();
    sessionStorage.removeItem(LAST);
    router.go("/video");
  }

  async #show(media: Media, name: string, url: string): Promise<void> {
    if (media.kind !== "video") {
      const detail = `${name} is of the kind ${media.kind}: choose a video`;
      throw new MaquetteError({ type: "urn:maquette:problem:not_a_video", title: "Not a video", status: 422, code: "not_a_video", detail });
    }
    this.close();
    [this.media, this.name] = [media, name];
    keepInTab(LAST, media.id);
    const rate = media.frame_rate ?? FALLBACK_RATE;
    const frames = media.frames ?? Math.max(1, Math.round((media.duration_seconds ?? 0) * rate));
    const reader = new FrameReader(rate, frames, (frame) => {
      this.frame = frame;
      this.shown += 1;
      this.isPlaying = reader.isPlaying;
    });
    await reader.open(url);
    // not before it has a frame to show
    this.reader = reader;
    void this.#fillStrip(url);
  }

  /** Go on with the session that this tab had about the video, if it still is one. */
  async #restore(id: string): Promise<void> {
    const known = sessionStorage.getItem(STORED + id);
    const session = known ? await service.getSession(known).catch(() => null) : null;
    if (!session) return;
    this.session = session;
    const named = session.prompts.flatMap(({ object }) => object ?? []);
    this.tracks = new Map(named.map((object) => [object, { id: object, label: `object ${object}`, sightings: new Map() }]));
    if (session.last_job) await this.#watch(await service.getJob(session.last_job));
  }

  async #fillStrip(url: string): Promise<void> {
    this.thumbnails = [];
    for await (const thumbnail of takeThumbnails(url, THUMBNAILS, THUMBNAIL_HEIGHT)) {
      this.thumbnails = [...this.thumbnails, thumbnail];
    }
  }

  /** Forget the video; the session ends by itself. */
  close(): void {
    this.#watching.abort();
    this.reader?.close();
    for (const thumbnail of this.thumbnails) URL.revokeObjectURL(thumbnail);
    [this.media, this.session, this.reader, this.job] = [null, null, null, null];
    [this.#past, this.#future] = [[], []];
    [this.thumbnails, this.tracks, this.selected, this.frame] = [[], new Map(), null, 0];
  }

  async play(): Promise<void> {
    if (this.reader?.isPlaying) this.reader.pause();
    else await this.reader?.play().catch(() => undefined);
    this.isPlaying = this.reader?.isPlaying ?? false;
  }

  step(frames: number): void {
    this.reader?.pause();
    void this.reader?.seek(this.frame + frames);
  }

  /** Name an object on the frame that is shown, or correct the selected one from here on. */
  async click(x: number, y: number, label: 0 | 1): Promise<void> {
    if (label === 0 && this.selected === null) {
      notices.say("Select an object first, then click what does not belong to it.");
      return;
    }
    await this.#add({ frame: this.frame, object: this.selected, points: [{ x, y, label }] });
  }

  async draw(box: Box): Promise<void> {
    await this.#add({ frame: this.frame, object: this.selected, box });
  }

  /** End an object on the frame that is shown. */
  async remove(id: number): Promise<void> {
    await this.#add({ frame: this.frame, object: id, remove: true });
  }

  /** Take the last prompt back. */
  async undo(): Promise<void> {
    const last = this.#past.at(-1);
    const { session } = this;
    if (!last || !session || !this.canUndo) return;
    await this.#run("Undoing", async () => {
      this.session = await service.dropPrompt(session.id, session.prompts.length - 1);
      this.#past = this.#past.slice(0, -1);
      this.#future = [...this.#future, last.prompt];
      [this.tracks, this.selected] = [last.tracks, last.prompt.object ?? null];
      this.shown += 1;
    });
  }

  /** Give the prompt again that was taken back last. */
  async redo(): Promise<void> {
    const prompt = this.#future.at(-1);
    if (!prompt || !this.canRedo) return;
    this.#future = this.#future.slice(0, -1);
    await this.reader?.seek(prompt.frame ?? 0);
    await this.#prompt(prompt);
  }

  async #add(prompt: VideoPrompt): Promise<void> {
    this.#future = [];
    await this.#prompt(prompt);
  }

  async #prompt(prompt: VideoPrompt): Promise<void> {
    this.reader?.pause();
    await this.#run("Segmenting", async () => {
      const { tracks } = this;
      const answer = await this.#inSession((session) => service.addPrompt(session.id, prompt));
      this.#past = [...this.#past, { prompt, tracks }];
      [this.session, this.selected] = [answer.session, prompt.remove ? null : answer.object];
      let preview = answer.preview;
      // a slow engine's preview comes after the answer
      if (preview && !isFinal(preview)) preview = await service.waitFor(preview.id);
      if (preview?.problem) notices.problem(preview.problem);
      const result = preview?.result?.result;
      if (result?.kind !== "segment") return;
      const [instance] = result.instances;
      if (!instance) notices.say("The engine found no mask there.");
      else this.#preview(answer.object, prompt.frame ?? 0, { box: instance.box, mask: instance.mask, score: instance.score ?? 1, flags: [] });
    });
  }

  #preview(id: number, frame: number, sighting: Sighting): void {
    const tracks = new Map(this.tracks);
    const known = tracks.get(id) ?? { id, label: `object ${id}`, sightings: new Map<number, Sighting>() };
    // what was known before stays as it was: undo goes back to it
    this.tracks = tracks.set(id, { ...known, sightings: new Map(known.sightings).set(frame, sighting) });
    this.shown += 1;
  }

  /** Do something in the session; one that has expired is opened anew with the same prompts. */
  async #inSession<T>(task: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#require();
    try {
      return await task(session);
    } catch (error) {
      if (!(error instanceof MaquetteError && error.code === "session_unknown")) throw error;
      this.session = null;
      let fresh = await this.#require();
      const ids = new Map<number, number>();
      for (const { object, ...prompt } of session.prompts) {
        const id = object ? (ids.get(object) ?? null) : null;
        const answer = await service.addPrompt(fresh.id, { ...prompt, object: id }, 0);
        if (object) ids.set(object, answer.object);
        fresh = answer.session;
      }
      notices.say("The session had ended: it was opened again with your prompts.");
      return task((this.session = fresh));
    }
  }

  async #require(): Promise<Session> {
    if (this.session) return this.session;
    if (!this.media) throw new Error("there is no video");
    const text = this.phrase.split(",").map((part) => part.trim()).filter(Boolean);
    this.session = await service.openSession({ video: this.media.id, text });
    keepInTab(STORED + this.media.id, this.session.id);
    return this.session;
  }

  /** Track all objects from the frame that is shown; what was found comes in as it is found. */
  async propagate(direction: Direction, withOverlay: boolean): Promise<void> {
    [this.#past, this.#future] = [[], []];
    await this.#run("Starting", async () => {
      const job = await this.#inSession((session) => {
        const isNamed = session.prompts.length > 0 || session.last_job;
        return service.propagate(session.id, {
          direction,
          ...(isNamed ? { start_frame: this.#findStart(session, direction) } : {}),
          outputs: withOverlay ? ["overlay", "ytvis"] : [],
        });
      });
      await this.#watch(job);
      if (this.session) this.session = await service.getSession(this.session.id);
    });
  }

  // a first run has to meet its prompts; later ones go on from where one looks
  #findStart(session: Session, direction: Direction): number {
    if (session.last_job) return this.frame;
    const frames = session.prompts.map((prompt) => prompt.frame ?? 0);
    return direction === "backward" ? Math.max(...frames) : Math.min(...frames);
  }

  /** Look for what phrases name, in all of the video; objects named before are named anew. */
  async findPhrase(): Promise<void> {
    if (this.session) {
      void service.closeSession(this.session.id).catch(() => undefined);
      this.session = null;
      this.tracks = new Map();
    }
    await this.propagate("forward", false);
  }

  async cancel(): Promise<void> {
    if (this.job) this.job = await service.cancelJob(this.job.id);
  }

  async #watch(job: Job): Promise<void> {
    this.#watching.abort();
    const { signal } = (this.#watching = new AbortController());
    this.job = job;
    const read = new Set<string>();
    const add = async (file: Artefact) => {
      if (file.role !== "masks" || read.has(file.sha256)) return;
      read.add(file.sha256);
      this.tracks = addRows(this.tracks, await (await service.artefact(file.sha256, signal)).text());
      this.shown += 1;
    };
    this.work = null;
    for await (const event of service.events(job.id, { signal })) {
      if (event.type === "artefact") await add(event.data as unknown as Artefact);
      else if (event.type === "progress") this.job = { ...this.job, progress: event.data as unknown as NonNullable<Job["progress"]> };
    }
    if (signal.aborted) return;
    this.job = await service.getJob(job.id);
    for (const file of this.job.result?.artefacts ?? []) await add(file);
    if (this.job.problem) notices.problem(this.job.problem);
    else if (isFinal(this.job) && this.job.result?.reason) notices.say(this.job.result.reason);
  }

  async #run(work: string, task: () => Promise<void>): Promise<void> {
    this.work = work;
    try {
      await task();
    } catch (error) {
      notices.report(error);
    } finally {
      this.work = null;
    }
  }
}

export const video = new VideoState();
