"""The gates in the report: a histogram of the scores of each, with its bounds."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import REVIEW_GATE, DecisionRow
from workers.datasets.version import DatasetVersion

# of a histogram, in pixels: the bars, and the line of numbers under them
WIDTH, HEIGHT, BAR_HEIGHT, TEXT_HEIGHT = 240, 70, 64, 14
BINS = 24
PASSED, FAILED, BOUND = "#2f6f5e", "#b5533c", "#1d1d1b"


def render_gates(version: DatasetVersion) -> str:
    """A figure per gate, in the order of the gates."""
    gates: dict[str, _Gate] = {}
    for row in version.rows["decisions"]:
        if row.gate != REVIEW_GATE:
            if row.gate not in gates:
                gates[row.gate] = _Gate(first=row)
            gates[row.gate].add(row)
    return "".join(_render_gate(name, gate) for name, gate in gates.items())


@dataclass(slots=True, kw_only=True)
class _Gate:
    """What a gate decided: its scores, whether each passed, and its first row, which has the bounds."""

    first: DecisionRow
    count: int = 0
    failed: int = 0
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    passed: "array[int]" = field(default_factory=lambda: array("b"))
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, row: DecisionRow) -> None:
        self.count += 1
        self.failed += not row.passed
        if row.score is not None:
            self.scores.append(row.score)
            self.passed.append(row.passed)
        if row.reason is not None:
            self.reasons[row.reason] += 1


def _render_gate(name: str, gate: _Gate) -> str:
    bounds = [value for value in (gate.first.low, gate.first.high) if value is not None]
    chart = ""
    if gate.scores:
        values, passed = np.array(gate.scores, np.float64), np.array(gate.passed, bool)
        chart = _render_histogram(name, values, passed, bounds)
    return (
        f"<figure><b>{escape(name)}</b>{_describe_bounds(gate.first)}<br>{chart}"
        f"<figcaption>{_summarise_decisions(gate)}</figcaption></figure>"
    )


def _describe_bounds(row: DecisionRow) -> str:
    bounds = [f"≥ {row.low:.3g}"] if row.low is not None else []
    bounds += [f"≤ {row.high:.3g}"] if row.high is not None else []
    return f" {', '.join(bounds)}" if bounds else ""


def _summarise_decisions(gate: _Gate) -> str:
    if gate.reasons:
        # a gate with reasons has no scores: its rows are the clips that are left out
        counts = ", ".join(f"{escape(name)} {count}" for name, count in sorted(gate.reasons.items()))
        return f"left out: {counts}"
    missing = gate.count - len(gate.scores)
    return f"{gate.count} checked, {gate.failed} failed" + (f", {missing} not measured" if missing else "")


def _render_histogram(
    name: str, values: NDArray[np.float64], passed: NDArray[np.bool_], bounds: Sequence[float]
) -> str:
    """An SVG of the scores of a gate: those that failed on those that passed, and its bounds."""
    # the axis includes a bound only on the side where scores could cross it, so that one bar is not all
    low = min([float(values.min()), *[bound for bound in bounds if bound <= values.max()]])
    high = max([float(values.max()), *[bound for bound in bounds if bound >= values.min()]])
    span = (high - low) or 1.0
    good, _ = np.histogram(values[passed], BINS, (low, low + span))
    bad, _ = np.histogram(values[~passed], BINS, (low, low + span))
    unit = BAR_HEIGHT / max(1, int((good + bad).max()))
    bars = "".join(
        _draw_bar(index, bottom, count * unit, color)
        for index in range(BINS)
        for bottom, count, color in ((0.0, good[index], PASSED), (good[index] * unit, bad[index], FAILED))
        if count
    )
    lines = "".join(
        f"<line x1={x:.1f} x2={x:.1f} y1=0 y2={HEIGHT} stroke={BOUND} stroke-width=1.5 stroke-dasharray=3 />"
        # a bound at the end of the axis stays in the picture
        for x in [min(WIDTH - 1.0, max(1.0, (bound - low) / span * WIDTH)) for bound in bounds]
    )
    bottom = HEIGHT + TEXT_HEIGHT - 3
    height = HEIGHT + TEXT_HEIGHT
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width={WIDTH} height={height} role=img '
        f'aria-label="Scores of {escape(name)}">{bars}{lines}<text x=2 y={bottom}>{low:.3g}</text>'
        f"<text x={WIDTH - 2} y={bottom} text-anchor=end>{low + span:.3g}</text></svg>"
    )


def _draw_bar(index: int, bottom: float, height: float, color: str) -> str:
    return (
        f"<rect x={index * WIDTH / BINS:.1f} y={HEIGHT - bottom - height:.1f} width={WIDTH / BINS - 1:.1f} "
        f"height={height:.1f} fill={color} />"
    )
