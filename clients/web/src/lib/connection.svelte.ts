import { notices } from "./notices.svelte";

const RETRY_MS = 1000;

/** Whether the gateway answers; a banner is shown while it does not. */
class Connection {
  isLost = $state(false);
  #waiting: (() => void)[] = [];

  /** Resolves once the gateway answers again. */
  wait(): Promise<void> {
    this.lose();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Note that a request got no answer, and look for the gateway until it is back. */
  lose(): void {
    if (this.isLost) return;
    this.isLost = true;
    const timer = setInterval(() => {
      void fetch("/healthz", { cache: "no-store" })
        .then((answer) => {
          if (!answer.ok) return;
          clearInterval(timer);
          this.isLost = false;
          for (const resume of this.#waiting.splice(0)) resume();
          notices.say("The gateway is back. Jobs went on or go on now; nothing was lost.");
        })
        .catch(() => undefined);
    }, RETRY_MS);
  }
}

export const connection = new Connection();
