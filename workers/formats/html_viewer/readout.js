const AXES = [
  { name: "x", color: "#e5484d", direction: [1, 0, 0] },
  { name: "y", color: "#30a46c", direction: [0, 1, 0] },
  { name: "z", color: "#3b82f6", direction: [0, 0, 1] },
];

/** The cross of the asset's axes, the farthest drawn first. */
function drawAxes(canvas, camera) {
  const ratio = window.devicePixelRatio || 1;
  const side = canvas.clientWidth;
  canvas.width = canvas.height = Math.round(side * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 2;
  const { right, up, forward } = camera.pose();
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const placed = AXES.map((axis) => ({
    ...axis,
    x: dot(axis.direction, right),
    y: -dot(axis.direction, up),
    depth: dot(axis.direction, forward),
  }));
  placed.sort((a, b) => b.depth - a.depth);
  const middle = side / 2;
  for (const { name, color, x, y } of placed) {
    const length = middle - 12;
    context.strokeStyle = context.fillStyle = color;
    context.beginPath();
    context.moveTo(middle, middle);
    context.lineTo(middle + length * x, middle + length * y);
    context.stroke();
    context.fillText(name, middle + (length + 7) * x, middle + (length + 7) * y);
  }
}

/** The largest of 1, 2 and 5 times a power of ten that is not above `limit`. */
function chooseLength(limit) {
  const power = 10 ** Math.floor(Math.log10(limit));
  const step = [5, 2, 1].find((factor) => factor * power <= limit * (1 + 1e-9)) ?? 1;
  return step * power;
}

function formatLength(length, metric) {
  const round = (value) => String(Number(value.toPrecision(3)));
  if (!metric) return `${round(length)} ${length === 1 ? "unit" : "units"}`;
  if (length >= 1000) return `${round(length / 1000)} km`;
  if (length >= 1) return `${round(length)} m`;
  return length >= 0.01 ? `${round(length * 100)} cm` : `${round(length * 1000)} mm`;
}

/** A bar as long as a round length at the distance of the target, which is what the camera turns about. */
function drawScale(bar, label, camera, viewport, metresPerUnit) {
  const perUnit = camera.focal(viewport) / camera.distance;
  const perLength = metresPerUnit === null ? perUnit : perUnit / metresPerUnit;
  const length = chooseLength(140 / perLength);
  bar.style.width = `${(length * perLength).toFixed(1)}px`;
  label.textContent = formatLength(length, metresPerUnit !== null);
}
