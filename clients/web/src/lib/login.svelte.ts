import { ConnectionLost, MaquetteError, readProblem } from "maquette";

/** Who is logged in. */
export interface Login {
  tenant: string;
  name: string;
  scopes: string[];
  expires_at: string;
}

// the gateway takes a login's cookie only from requests with this header
export const PAGE_HEADERS = { "X-Maquette-Page": "1" };

/** The login of the page: a cookie that scripts cannot read. Requests that are refused wait for a new one. */
class LoginState {
  current = $state.raw<Login | null>(null);
  /** Whether the dialog is to be shown; `why` says why it appeared. */
  isNeeded = $state(false);
  why = $state("");
  #waiting: (() => void)[] = [];

  /** Read who is logged in, or follow a link that logs in once. */
  async start(code: string | null): Promise<void> {
    if (code) {
      const problem = await this.#send({ code }).then(
        () => null,
        (error: unknown) => describe(error),
      );
      // who opens a link again is logged in already
      if (problem !== null) await this.#read(problem);
    } else await this.#read("");
  }

  async #read(why: string): Promise<void> {
    const answer = await fetch("/login").catch(() => null);
    if (answer?.status === 200) this.#accept((await answer.json()) as Login);
    else this.#ask(why);
  }

  /** Exchange a key for the cookie; throws MaquetteError for a key that is not valid. */
  async logIn(key: string): Promise<void> {
    await this.#send({ key });
  }

  async logOut(): Promise<void> {
    const answer = await fetch("/login", { method: "DELETE", headers: PAGE_HEADERS }).catch(() => null);
    if (!answer?.ok) throw new ConnectionLost("the gateway did not end the login");
    this.current = null;
    this.#ask("");
  }

  /** Resolves once somebody is logged in again. */
  renew(): Promise<void> {
    this.#ask("Your login has expired or was revoked. Nothing is lost: log in, and what you began goes on.");
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #send(body: { key: string } | { code: string }): Promise<void> {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { ...PAGE_HEADERS, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw await readProblem(answer);
    this.#accept((await answer.json()) as Login);
  }

  #accept(login: Login): void {
    this.current = login;
    this.isNeeded = false;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  #ask(why: string): void {
    this.why = why;
    this.isNeeded = true;
  }
}

function describe(error: unknown): string {
  return error instanceof MaquetteError ? error.message : "the gateway cannot be reached";
}

export const login = new LoginState();
