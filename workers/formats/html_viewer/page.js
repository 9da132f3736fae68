const BACKGROUNDS = { light: [1, 1, 1], dark: [22 / 255, 24 / 255, 28 / 255] };

function showError(error) {
  const message = requireElement("message");
  message.textContent = error instanceof ViewerError ? error.message : `The asset cannot be shown: ${error.message}`;
  message.hidden = false;
  message.setAttribute("role", "alert");
  document.documentElement.dataset.state = "failed";
}

/** The page: it draws a frame when something has changed, and only then. */
class Page {
  constructor() {
    this.canvas = requireElement("view");
    const gl = this.canvas.getContext("webgl2", AssetView.contextOptions);
    if (!gl) throw new ViewerError("This page needs WebGL 2, which this browser does not have or has switched off.");
    this.gl = gl;
    this.fields = JSON.parse(requireElement("fields").textContent);
    const payload = requireElement("payload");
    const bytes = decodeBase64(payload.textContent);
    payload.remove();
    this.camera = new OrbitCamera(this.fields);
    this.dark = false;
    this.scheduled = false;
    this.asset = new AssetView(gl, bytes, this.fields, () => this.schedule());
    new Controls(this.canvas, this.camera, () => this.moved());
    this.listen();
    this.resize();
    this.moved();
  }

  listen() {
    requireElement("reset").addEventListener("click", () => this.reset());
    requireElement("background").addEventListener("click", () => this.toggleBackground());
    window.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.toLowerCase();
      if (key === "r" || key === "home") this.reset();
      else if (key === "b") this.toggleBackground();
    });
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.canvas.addEventListener("webglcontextlost", () => {
      showError(new ViewerError("The graphics device was reset: reload the page."));
    });
  }

  showReady() {
    if (document.documentElement.dataset.state) return;
    document.documentElement.dataset.state = "shown";
    requireElement("message").hidden = true;
  }

  reset() {
    this.camera.reset();
    this.moved();
  }

  toggleBackground() {
    this.dark = !this.dark;
    document.documentElement.classList.toggle("dark", this.dark);
    requireElement("background").setAttribute("aria-pressed", String(this.dark));
    this.schedule();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(this.canvas.clientWidth * ratio), 1);
    this.canvas.height = Math.max(Math.round(this.canvas.clientHeight * ratio), 1);
    this.draw();
  }

  moved() {
    this.asset.prepare(this.camera);
    this.schedule();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  draw() {
    const { gl, canvas, camera } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...BACKGROUNDS[this.dark ? "dark" : "light"], 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (this.asset.ready) {
      this.asset.draw(camera, canvas);
      this.showReady();
    }
    drawAxes(requireElement("axes"), camera);
    const pixels = { width: canvas.clientWidth, height: canvas.clientHeight };
    drawScale(requireElement("bar"), requireElement("length"), camera, pixels, this.fields.metres_per_unit);
  }
}

try {
  new Page();
} catch (error) {
  showError(error);
}
