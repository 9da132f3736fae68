const CLOSEST = 32;
const MARGIN = 0.96;

/** How an image lies on the screen: screen = image * scale + offset, in CSS pixels. */
export class View {
  scale = $state(1);
  x = $state(0);
  y = $state(0);
  #fitted = 1;

  /** Show all of an image in the middle. */
  fit(width: number, height: number, screenWidth: number, screenHeight: number): void {
    this.#fitted = Math.min(screenWidth / width, screenHeight / height) * MARGIN;
    this.scale = this.#fitted;
    this.x = (screenWidth - width * this.scale) / 2;
    this.y = (screenHeight - height * this.scale) / 2;
  }

  /** Zoom by a factor about a place on the screen, which stays where it is. */
  zoom(factor: number, screenX: number, screenY: number): void {
    const next = Math.min(CLOSEST, Math.max(this.#fitted / 2, this.scale * factor));
    const change = next / this.scale;
    this.x = screenX - (screenX - this.x) * change;
    this.y = screenY - (screenY - this.y) * change;
    this.scale = next;
  }

  pan(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
  }

  toImage(screenX: number, screenY: number): { x: number; y: number } {
    return { x: (screenX - this.x) / this.scale, y: (screenY - this.y) / this.scale };
  }
}
