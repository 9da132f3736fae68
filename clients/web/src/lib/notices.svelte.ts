import { ConnectionLost, MaquetteError, type Problem } from "maquette";
import { findAdvice } from "./advice";

export interface Notice {
  id: number;
  kind: "info" | "problem";
  text: string;
  advice: string | null;
  problem: Problem | null;
}

const SHOWN_MS = 6000;

/** Short messages at the edge of the page; problems stay until they are closed. */
class Notices {
  list = $state.raw<Notice[]>([]);
  #next = 1;

  say(text: string): void {
    const notice = this.#add({ kind: "info", text, advice: null, problem: null });
    setTimeout(() => this.close(notice.id), SHOWN_MS);
  }

  /** Say what went wrong and what to do. */
  report(error: unknown): void {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (error instanceof ConnectionLost) {
      this.#add({ kind: "problem", text: "The gateway did not answer: try again.", advice: null, problem: null });
    } else if (error instanceof MaquetteError) {
      this.problem(error.problem);
    } else {
      console.error(error);
      const text = error instanceof Error ? error.message : String(error);
      this.#add({ kind: "problem", text, advice: null, problem: null });
    }
  }

  problem(problem: Problem): void {
    this.#add({ kind: "problem", text: problem.detail, advice: findAdvice(problem.code), problem });
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  #add(content: Omit<Notice, "id">): Notice {
    const notice = { id: this.#next++, ...content };
    const others = this.list.filter((other) => other.text !== notice.text);
    this.list = [...others.slice(-3), notice];
    return notice;
  }
}

export const notices = new Notices();
