import type { Shading, Viewer } from "./viewer";

/** How assets are shown; two that are compared share it. */
export class Look {
  form = $state<"mesh" | "splat">("mesh");
  shading = $state<Shading>("material");
  hasGuides = $state(true);
  hasRig = $state(false);
  hasPhoto = $state(false);
  opacity = $state(0.85);

  /** Another shading, or the surface again. */
  toggle(shading: Shading): void {
    this.shading = this.shading === shading ? "material" : shading;
  }
}

/** Viewers that turn together. */
export class ViewLink {
  readonly #viewers = new Set<Viewer>();

  /** Let a viewer turn with the others until the returned function is called. */
  join(viewer: Viewer): () => void {
    this.#viewers.add(viewer);
    viewer.onview = () => {
      for (const follower of this.#viewers) if (follower !== viewer) follower.follow(viewer.view);
    };
    return () => this.#viewers.delete(viewer);
  }

  /** Look as the first of the others does. */
  align(viewer: Viewer): void {
    const [other] = [...this.#viewers].filter((known) => known !== viewer);
    if (other) viewer.follow(other.view);
  }
}
