import type { Engine } from "maquette";
import { notices } from "./notices.svelte";
import { service } from "./service";

/** The engines that find phrases, read once while the page is open. */
class ConceptEngines {
  list = $state.raw<readonly Engine[]>([]);
  #isAsked = false;

  load(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    service.engines().then(
      (engines) => (this.list = engines.filter((engine) => engine.kind === "concepts")),
      (error: unknown) => {
        this.#isAsked = false;
        notices.report(error);
      },
    );
  }

  /** The words that engines with a closed vocabulary know here. */
  get words(): string[] {
    return [...new Set(this.list.filter((engine) => engine.available).flatMap((engine) => engine.vocabulary ?? []))];
  }

  /** Engines that take any phrase, whether they run here or not. */
  get open(): Engine[] {
    return this.list.filter((engine) => !engine.vocabulary?.length);
  }
}

export const conceptEngines = new ConceptEngines();
