import { parseRoute } from "./route";

export type { Route } from "./route";

/** The place that is shown, and the way to others. */
class Router {
  current = $state.raw(parseRoute(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.current = parseRoute(location.hash)));
  }

  go(path: string): void {
    location.hash = path;
  }

  /** Change the address without an entry in the history. */
  replace(path: string): void {
    history.replaceState(null, "", `#${path}`);
    this.current = parseRoute(location.hash);
  }
}

export const router = new Router();
