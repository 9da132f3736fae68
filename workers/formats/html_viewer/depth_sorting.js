/** Orders Gaussians back to front; a function without surroundings, because it also becomes a worker's code. */
function makeSorter(means) {
  // The bits of positive floats ascend with them: 2^20 bins of 16 octaves from `near` on, 1.5e-5 of a depth wide.
  const bins = 1 << 20;
  const count = means.length / 3;
  const starts = new Uint32Array(bins + 1);
  const keys = new Uint32Array(count);
  const depth = new Float32Array(1);
  const bits = new Uint32Array(depth.buffer);
  return ({ eye, forward, near }) => {
    depth[0] = near;
    const lowest = bits[0];
    starts.fill(0);
    for (let k = 0, at = 0; k < count; k++, at += 3) {
      depth[0] =
        (means[at] - eye[0]) * forward[0] +
        (means[at + 1] - eye[1]) * forward[1] +
        (means[at + 2] - eye[2]) * forward[2];
      // what lies behind the camera comes last and is left out
      const key = depth[0] > near ? Math.max(bins - 1 - ((bits[0] - lowest) >>> 7), 0) : bins;
      keys[k] = key;
      if (key < bins) starts[key + 1]++;
    }
    for (let key = 0; key < bins; key++) starts[key + 1] += starts[key];
    const order = new Uint32Array(starts[bins]);
    for (let k = 0; k < count; k++) if (keys[k] < bins) order[starts[keys[k]]++] = k;
    return order;
  };
}

/** Runs the sorter in a worker, or here where a browser allows none; `done` receives each order. */
class DepthSorting {
  constructor(means, done) {
    this.means = means;
    this.done = done;
    this.busy = false;
    this.waiting = null;
    const source = `let sort = null;
      const makeSorter = ${makeSorter};
      onmessage = ({ data }) => {
        if (data.means) sort = makeSorter(data.means);
        else { const order = sort(data); postMessage(order, [order.buffer]); }
      };`;
    try {
      this.worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      this.worker.onmessage = ({ data }) => this.finish(data);
      this.worker.onerror = () => this.stayHere();
      this.worker.postMessage({ means });
    } catch {
      this.stayHere();
    }
  }

  stayHere() {
    this.worker = null;
    this.sort = makeSorter(this.means);
    const request = this.current;
    this.busy = false;
    if (request) this.request(request);
  }

  /** Sort for a view; of requests that come meanwhile only the last counts. */
  request(view) {
    if (this.busy) {
      this.waiting = view;
      return;
    }
    this.current = view;
    this.busy = true;
    if (this.worker) this.worker.postMessage(view);
    else this.finish(this.sort(view));
  }

  finish(order) {
    this.busy = false;
    this.current = null;
    // a worker that has sorted once will not fail, and has means of its own
    this.means = null;
    const next = this.waiting;
    this.waiting = null;
    this.done(order);
    if (next) this.request(next);
  }
}
