"""The gates in the report: a histogram of the scores of each, with its bounds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import REVIEW_GATE
from workers.datasets.version import DatasetVersion

# of a histogram, in pixels: the bars, and the line of numbers under them
WIDTH, HEIGHT, BAR_HEIGHT, TEXT_HEIGHT = 240, 70, 64, 14
BINS = 24
PASSED, FAILED, BOUND = "#2f6f5e", "#b5533c", "#1d1d1b"


def render_gates(version: DatasetVersion) -> str:
    """A figure per gate, in the order of the gates."""
    decisions: dict[str, list[Any]] = defaultdict(list)
    for row in version.rows["decisions"]:
        if row.gate != REVIEW_GATE:
            decisions[row.gate].append(row)
    return "".join(_render_gate(name, rows) for name, rows in decisions.items())


def _render_gate(name: str, rows: Sequence[Any]) -> str:
    measured = [row for row in rows if row.score is not None]
    bounds = [value for value in (rows[0].low, rows[0].high) if value is not None]
    chart = ""
    if measured:
        values = np.array([row.score for row in measured], np.float64)
        passed = np.array([row.passed for row in measured], bool)
        chart = _render_histogram(name, values, passed, bounds)
    return (
        f"<figure><b>{escape(name)}</b>{_describe_bounds(rows[0])}<br>{chart}"
        f"<figcaption>{_summarise_decisions(rows)}</figcaption></figure>"
    )


def _describe_bounds(row: Any) -> str:
    bounds = [f"≥ {row.low:.3g}"] if row.low is not None else []
    bounds += [f"≤ {row.high:.3g}"] if row.high is not None else []
    return f" {', '.join(bounds)}" if bounds else ""


def _summarise_decisions(rows: Sequence[Any]) -> str:
    if reasons := Counter(row.reason for row in rows if row.reason is not None):
        # a gate with reasons has no scores: its rows are the clips that are left out
        counts = ", ".join(f"{escape(name)} {count}" for name, count in sorted(reasons.items()))
        return f"left out: {counts}"
    failed = sum(not row.passed for row in rows)
    missing = sum(row.score is None for row in rows)
    return f"{len(rows)} checked, {failed} failed" + (f", {missing} not measured" if missing else "")


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
