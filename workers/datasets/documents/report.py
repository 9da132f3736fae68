"""The report: funnel, gates with scores and bounds, sources, contact sheet, captions. One file."""

import base64
from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from workers.datasets.version import DatasetVersion

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1d1d1b;background:#fafaf8}
table{border-collapse:collapse;width:100%}
td,th{padding:.2rem .6rem .2rem 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}h2{margin-top:2.2rem}code{font-size:.9em}
.bar{background:#e4e2da;height:.8rem;min-width:14rem}.bar i{display:block;height:100%;background:#2f6f5e}
.bar i.lost{background:#b5533c}svg{background:#fff;border:1px solid #dcd9d0}img{max-width:100%}
.gates{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}figure{margin:0}
"""
WIDTH, HEIGHT, BINS = 240, 70, 24


def render_report(written: DatasetVersion, sheet: bytes) -> str:
    """A page that needs nothing but itself."""
    manifest, totals = written.manifest, written.manifest.totals
    told = (
        f"{totals['clips']:.0f} clips ({totals['seconds']:.1f} s) of {totals['sources']:.0f} videos, "
        f"{totals['tracks']:.0f} tracks, {totals['observations']:.0f} observations, "
        f"{totals['assets']:.0f} assets, {totals['bytes'] / 1e6:.1f} MB."
    )
    picture = base64.b64encode(sheet).decode()
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>Dataset {manifest.version[:12]}</title><style>{STYLE}</style>"
        f"<h1>Dataset</h1><p>Version <code>{manifest.version}</code>, policy "
        f"<code>{escape(manifest.policy)}</code>.</p><p>{told}</p>"
        f"<h2>Funnel</h2>{_funnel(written)}"
        f"<h2>Gates</h2><p>Scores of all clips and tracks; the lines are the bounds of the policy.</p>"
        f"<div class=gates>{_gates(written)}</div>"
        f"<h2>Concepts</h2>{_concepts(written)}"
        f"<h2>Sources</h2>{_sources(written)}"
        f'<h2>Contact sheet</h2><img alt="Frames of kept clips with masks" '
        f'src="data:image/png;base64,{picture}">'
        f"<h2>Captions</h2>{_captions(written)}</html>\n"
    )


def _funnel(written: DatasetVersion) -> str:
    rows = []
    for step in written.funnel:
        share = step.kept / step.given if step.given else 1.0
        lost = " class=lost" if share < 0.5 else ""
        rows.append(
            f"<tr><td>{escape(step.stage)}<td>{escape(step.unit)}<td class=n>{step.given}"
            f"<td class=n>{step.kept}<td><div class=bar><i{lost} style=width:{100 * share:.1f}%></i></div>"
        )
    return f"<table><tr><th>stage<th>of<th class=n>in<th class=n>out<th>share{''.join(rows)}</table>"


def _gates(written: DatasetVersion) -> str:
    scores: dict[str, list[Any]] = defaultdict(list)
    for row in written.rows["decisions"]:
        scores[row.gate].append(row)
    return "".join(_gate(name, rows) for name, rows in scores.items())


def _gate(name: str, rows: Sequence[Any]) -> str:
    values = np.array([row.score for row in rows if row.score is not None], np.float64)
    failed = sum(not row.passed for row in rows)
    missing = len(rows) - len(values)
    note = f"{len(rows)} judged, {failed} failed" + (f", {missing} not measured" if missing else "")
    if reasons := Counter(row.reason for row in rows if row.reason is not None):
        # nothing was judged: the clips of which this tells are those that are left out
        note = "left out: " + ", ".join(f"{escape(name)} {count}" for name, count in sorted(reasons.items()))
    bounds = [value for value in (rows[0].low, rows[0].high) if value is not None]
    chart = ""
    if len(values):
        # a bound far from every score would squeeze them all into one bin
        low = min([float(values.min()), *[b for b in bounds if b <= values.max()]])
        high = max([float(values.max()), *[b for b in bounds if b >= values.min()]])
        span = (high - low) or 1.0
        counts, _ = np.histogram(values, BINS, (low, low + span))
        top = max(1, int(counts.max()))
        bars = "".join(
            f"<rect x={i * WIDTH / BINS:.1f} y={HEIGHT - count / top * (HEIGHT - 6):.1f} "
            f"width={WIDTH / BINS - 1:.1f} height={count / top * (HEIGHT - 6):.1f} fill=#2f6f5e />"
            for i, count in enumerate(counts)
            if count
        )
        lines = "".join(
            f"<line x1={x:.1f} x2={x:.1f} y1=0 y2={HEIGHT} stroke=#b5533c stroke-width=2 />"
            for x in [(bound - low) / span * WIDTH for bound in bounds]
        )
        chart = (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width={WIDTH} height={HEIGHT} role=img '
            f'aria-label="Scores of {escape(name)}">{bars}{lines}</svg><br>{low:.3g} to {high:.3g}'
        )
    return f"<figure><b>{escape(name)}</b><br>{chart}<figcaption>{note}</figcaption></figure>"


def _concepts(written: DatasetVersion) -> str:
    found: dict[str, list[int]] = {}
    for row in written.rows["concepts"]:
        mine = found.setdefault(row.phrase, [0, 0, 0, 0])
        for index, value in enumerate((1, row.found == 0, row.found, row.kept)):
            mine[index] += value
    rows = "".join(
        f"<tr><td>{escape(phrase)}" + "".join(f"<td class=n>{value}" for value in mine)
        for phrase, mine in found.items()
    )
    head = "<th>phrase<th class=n>asked<th class=n>without it<th class=n>found<th class=n>kept"
    return f"<table><tr>{head}{rows}</table>"


def _sources(written: DatasetVersion) -> str:
    rows = "".join(
        f"<tr><td><code>{row.source[:12]}</code> {escape(row.name or '')}<td>{row.width} x {row.height}"
        f"<td class=n>{row.frames}<td class=n>{row.shots}<td>{escape(row.licence or 'unknown')}"
        f"<td>{escape(row.consent or 'unknown')}<td>{row.split}"
        for row in written.rows["sources"]
    )
    head = "<th>source<th>size<th class=n>frames<th class=n>shots<th>licence<th>consent<th>split"
    return f"<table><tr>{head}{rows}</table>"


def _captions(written: DatasetVersion, most: int = 40) -> str:
    rows = written.rows["captions"]
    items = "".join(
        f"<li><code>{row.clip[:8]}</code>{'' if row.track is None else f' track {row.track}'}: "
        f"{escape(row.text)}{' (does not fit)' if row.kept is False else ''}"
        for row in rows[:most]
    )
    more = f"<p>and {len(rows) - most} more</p>" if len(rows) > most else ""
    return f"<ul>{items}</ul>{more}"
