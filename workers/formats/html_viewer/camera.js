/** A camera on a sphere around its target, y up; angles are radians, lengths the asset's unit. */
class OrbitCamera {
  constructor(fields) {
    this.fields = fields;
    this.reset();
  }

  reset() {
    const { centre, radius, yaw, pitch, field_of_view: fieldOfView, margin } = this.fields;
    this.target = [...centre];
    this.yaw = yaw;
    this.pitch = pitch;
    // the outline of a sphere touches the border at this distance
    this.distance = (margin * radius) / Math.sin(fieldOfView / 2);
  }

  pose() {
    const [sinYaw, cosYaw] = [Math.sin(this.yaw), Math.cos(this.yaw)];
    const [sinPitch, cosPitch] = [Math.sin(this.pitch), Math.cos(this.pitch)];
    const forward = [-sinYaw * cosPitch, -sinPitch, -cosYaw * cosPitch];
    const right = [cosYaw, 0, -sinYaw];
    const up = [-sinYaw * sinPitch, cosPitch, -cosYaw * sinPitch];
    const eye = this.target.map((value, axis) => value - this.distance * forward[axis]);
    return { eye, right, up, forward };
  }

  /** Focal length in pixels: the field of view is that of the smaller side. */
  focal(viewport) {
    return Math.min(viewport.width, viewport.height) / 2 / Math.tan(this.fields.field_of_view / 2);
  }

  /** The nearest and the farthest distance that are shown. */
  range() {
    const { eye } = this.pose();
    const { centre, reach, radius } = this.fields;
    const away = Math.hypot(...eye.map((value, axis) => value - centre[axis]));
    const near = Math.max(away - reach, 0.002 * Math.min(radius, this.distance));
    return { near, far: Math.max(away + reach, near * 1.001) };
  }

  orbit(yaw, pitch) {
    const limit = Math.PI / 2 - 0.001;
    this.yaw += yaw;
    this.pitch = Math.min(Math.max(this.pitch + pitch, -limit), limit);
  }

  /** Move the asset with the pointer: `across` and `down` are pixels of `viewport`. */
  pan(across, down, viewport) {
    const { right, up } = this.pose();
    const step = this.distance / this.focal(viewport);
    this.target = this.target.map((value, axis) => value - step * (across * right[axis] - down * up[axis]));
  }

  zoom(factor) {
    const { radius, reach } = this.fields;
    this.distance = Math.min(Math.max(this.distance * factor, 0.005 * radius), 20 * reach);
  }
}

/** Pointers, wheel and keyboard move the camera; `changed` is called after each move. */
class Controls {
  constructor(canvas, camera, changed) {
    this.canvas = canvas;
    this.camera = camera;
    this.changed = changed;
    this.pointers = new Map();
    this.applied = this.measure();
    this.waiting = false;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(kind, (event) => this.release(event));
    }
    canvas.addEventListener("wheel", (event) => this.turnWheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    // the page has nothing else that arrows could move
    window.addEventListener("keydown", (event) => this.type(event));
  }

  viewport() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  press(event) {
    this.apply();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const pans = event.button === 2 || event.button === 1 || event.shiftKey;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, pans });
    this.applied = this.measure();
    event.preventDefault();
  }

  release(event) {
    this.apply();
    this.pointers.delete(event.pointerId);
    this.applied = this.measure();
  }

  /** Fingers report one after the other; a frame looks at where all of them are. */
  move(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    [pointer.x, pointer.y] = [event.clientX, event.clientY];
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => this.apply());
  }

  /** Move the camera by what the pointers have moved since it was last called. */
  apply() {
    if (!this.waiting) return;
    this.waiting = false;
    const before = this.applied;
    const after = this.measure();
    this.applied = after;
    const [across, down] = [after.x - before.x, after.y - before.y];
    if (this.pointers.size > 1) {
      this.camera.pan(across, down, this.viewport());
      if (before.spread > 0 && after.spread > 0) this.camera.zoom(before.spread / after.spread);
    } else if ([...this.pointers.values()].some(({ pans }) => pans)) {
      this.camera.pan(across, down, this.viewport());
    } else {
      const turn = Math.PI / Math.max(Math.min(this.canvas.clientWidth, this.canvas.clientHeight), 1);
      this.camera.orbit(-across * turn, down * turn);
    }
    this.changed();
  }

  /** The centre of all pointers, and the distance between the first two. */
  measure() {
    const all = [...this.pointers.values()];
    const mean = (axis) => all.reduce((sum, pointer) => sum + pointer[axis], 0) / Math.max(all.length, 1);
    const spread = all.length > 1 ? Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) : 0;
    return { x: mean("x"), y: mean("y"), spread };
  }

  turnWheel(event) {
    event.preventDefault();
    // lines and pages as browsers with such wheels count them
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    this.camera.zoom(Math.exp(Math.min(Math.max(pixels, -400), 400) * 0.0015));
    this.changed();
  }

  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) this.camera.pan(-40 * arrow[0], -40 * arrow[1], this.viewport());
    else if (arrow) this.camera.orbit(0.1 * arrow[0], -0.1 * arrow[1]);
    else if (event.key === "+" || event.key === "=") this.camera.zoom(1 / 1.15);
    else if (event.key === "-" || event.key === "_") this.camera.zoom(1.15);
    else return;
    event.preventDefault();
    this.changed();
  }
}
