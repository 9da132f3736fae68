"""The report: funnel, gates, tracks, suspected switches, sources, contact sheet, captions; one file."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice

from workers.datasets.documents.gate_charts import render_gates
from workers.datasets.documents.report_tracks import render_suspect_section, render_track_section
from workers.datasets.documents.track_images import ClipOpener
from workers.datasets.schema import REVIEW_GATE, DecisionRow
from workers.datasets.summary import iterate_standing
from workers.datasets.version import DatasetVersion

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1d1d1b;background:#fafaf8}
table{border-collapse:collapse;width:100%}
td,th{padding:.2rem .6rem .2rem 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}h2{margin-top:2.2rem}code{font-size:.9em}
.bar{background:#e4e2da;height:.8rem;min-width:14rem}.bar i{display:block;height:100%;background:#2f6f5e}
.bar i.lost{background:#b5533c}.cards{display:flex;flex-wrap:wrap;gap:.8rem}.cards figure{max-width:15rem}
.cards img{height:110px;border:3px solid #2f6f5e;max-width:100%;object-fit:cover}
.cards .no img{border-color:#b5533c}figcaption{font-size:.85em;line-height:1.35}.strip{margin:0 0 1rem}
svg text{font:10px system-ui,sans-serif}
svg{background:#fff;border:1px solid #dcd9d0}img{max-width:100%}
.gates{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}figure{margin:0}
"""
MOST_CAPTIONS = 40
MOST_REJECTED = 100
# a stage that keeps a smaller share is red
LOW_SHARE = 0.5


def render_report(version: DatasetVersion, sheet: bytes, opener: ClipOpener) -> str:
    """An HTML page without other files.

    `sheet` is the contact sheet as PNG.
    """
    manifest, totals = version.manifest, version.manifest.totals
    summary = (
        f"{totals['clips']:.0f} clips ({totals['seconds']:.1f} s) of {totals['sources']:.0f} videos, "
        f"{totals['tracks']:.0f} tracks, {totals['observations']:.0f} observations, "
        f"{totals['assets']:.0f} assets, {totals['bytes'] / 1e6:.1f} MB."
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>Dataset {manifest.version[:12]}</title><style>{STYLE}</style>"
        f"<h1>Dataset</h1><p>Version <code>{manifest.version}</code>, policy "
        f"<code>{escape(manifest.policy)}</code>.</p><p>{summary}</p>"
        f"<h2>Funnel</h2>{_render_funnel(version)}"
        "<h2>Gates</h2><p>Scores of all clips and tracks that were measured: green passed, red failed;"
        " dashed lines are the bounds.</p>"
        f"<div class=gates>{render_gates(version)}</div>"
        f"<h2>Tracks</h2>{render_track_section(version, opener)}"
        f"<h2>Suspected switches, merges and breaks</h2>{render_suspect_section(version, opener)}"
        f"<h2>Rejected</h2>{_render_rejected(version)}"
        f"{_render_reviews(version)}"
        f"<h2>Concepts</h2>{_render_concepts(version)}"
        f"<h2>Sources</h2>{_render_sources(version)}{_render_unreadable(version)}"
        f'<h2>Contact sheet</h2><img alt="Frames of kept clips with masks" '
        f'src="data:image/png;base64,{base64.b64encode(sheet).decode()}">'
        f"<h2>Captions</h2>{_render_captions(version)}</html>\n"
    )


def _render_funnel(version: DatasetVersion) -> str:
    rate = version.manifest.parameters.get("frame_rate")
    rows = []
    for step in version.funnel:
        share = step.kept / step.given if step.given else 1.0
        # frames between those of a lower rate are not lost
        is_resampled = rate is not None and step.unit == "frames"
        style = " class=lost" if share < LOW_SHARE and not is_resampled else ""
        note = f", at {rate:g} per second" if is_resampled else ""
        rows.append(
            f"<tr><td>{escape(step.stage)}{note}<td>{escape(step.unit)}<td class=n>{step.given}"
            f"<td class=n>{step.kept}<td><div class=bar><i{style} style=width:{100 * share:.1f}%></i></div>"
        )
    return f"<table><tr><th>stage<th>unit<th class=n>in<th class=n>out<th>share{''.join(rows)}</table>"


def _render_rejected(version: DatasetVersion) -> str:
    """The clips and tracks that are left out, each with the gate, the score and the bound that decided."""
    standing = iterate_standing(version.rows["decisions"])
    failed, count = _take(row for row in standing if not row.passed and row.gate != "caption_alignment")
    labels, names = _list_labels(version, failed), _list_names(version, failed)
    rows = "".join(
        f"{_render_place(row, labels)}<td>{escape(names[row.clip])}<td>{escape(row.gate)}"
        f"<td class=n>{'' if row.score is None else f'{row.score:.3g}'}"
        f"<td class=n>{escape(row.reason or _describe_bounds(row))}"
        for row in failed
    )
    if not rows:
        return "<p>Nothing was rejected.</p>"
    more = f"<p>and {count - len(failed)} more</p>" if count > len(failed) else ""
    head = "<th>clip<th class=n>track<th>label<th>video<th>gate<th class=n>score<th class=n>bound or reason"
    return f"<table><tr>{head}{rows}</table>{more}"


def _take(rows: Iterable[DecisionRow]) -> tuple[list[DecisionRow], int]:
    """The rows that are shown, and the number of all."""
    remaining = iter(rows)
    shown = list(islice(remaining, MOST_REJECTED))
    return shown, len(shown) + sum(1 for _ in remaining)


def _list_labels(
    version: DatasetVersion, decisions: Sequence[DecisionRow]
) -> dict[tuple[str, int | None], str]:
    """The names of the tracks that were decided."""
    places = {(row.clip, row.track) for row in decisions}
    return {
        (row.clip, row.track): row.label or row.concept or ""
        for row in version.rows["tracks"]
        if (row.clip, row.track) in places
    }


def _list_names(version: DatasetVersion, decisions: Sequence[DecisionRow]) -> dict[str, str]:
    """The names of the videos of the clips that were decided."""
    clips = {row.clip for row in decisions}
    sources = {row.source: row.name or "" for row in version.rows["sources"]}
    return {row.clip: sources[row.source] for row in version.rows["clips"] if row.clip in clips}


def _render_place(row: DecisionRow, labels: Mapping[tuple[str, int | None], str]) -> str:
    """The first cells of a row: clip, track and label."""
    label = labels.get((row.clip, row.track), "clip" if row.track is None else "")
    track = "" if row.track is None else row.track
    return f"<tr><td><code>{row.clip[:8]}</code><td class=n>{track}<td>{escape(label)}"


def _render_reviews(version: DatasetVersion) -> str:
    """What people decided, with who, when and why; nothing where nobody did."""
    reviews, count = _take(row for row in version.rows["decisions"] if row.gate == REVIEW_GATE)
    if not reviews:
        return ""
    labels = _list_labels(version, reviews)
    rows = "".join(
        f"{_render_place(row, labels)}<td>{'kept' if row.passed else 'rejected'}"
        f"<td>{escape(row.reviewer or '')}<td>{escape(row.reviewed_at or '')}<td>{escape(row.reason or '')}"
        for row in reviews
    )
    more = f"<p>and {count - len(reviews)} more</p>" if count > len(reviews) else ""
    head = "<th>clip<th class=n>track<th>label<th>decision<th>by<th>at<th>why"
    return f"<h2>Decided by hand</h2><table><tr>{head}{rows}</table>{more}"


def _describe_bounds(row: DecisionRow) -> str:
    """The bounds of a gate that a score did not meet."""
    if row.score is not None and row.low is not None and row.score < row.low:
        return f"≥ {row.low:.3g}"
    return "" if row.high is None else f"≤ {row.high:.3g}"


def _render_concepts(version: DatasetVersion) -> str:
    counts: dict[str, list[int]] = {}
    for row in version.rows["concepts"]:
        cells = counts.setdefault(row.phrase, [0, 0, 0, 0])
        for index, value in enumerate((1, row.found == 0, row.found, row.kept)):
            cells[index] += value
    rows = "".join(
        f"<tr><td>{escape(phrase)}" + "".join(f"<td class=n>{value}" for value in cells)
        for phrase, cells in counts.items()
    )
    head = (
        "<th>phrase<th class=n>clips searched<th class=n>clips without it<th class=n>tracks found"
        "<th class=n>tracks kept"
    )
    return f"<table><tr>{head}{rows}</table>"


def _render_sources(version: DatasetVersion) -> str:
    clips: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in version.rows["clips"]:
        clips[row.source][row.kept] += 1
    rows = "".join(
        f"<tr><td><code>{row.source[:12]}</code> {escape(row.name or '')}"
        f"<td>{row.width}&nbsp;x&nbsp;{row.height}"
        f"<td class=n>{row.frames}<td class=n>{row.shots}<td class=n>{clips[row.source][True]}"
        f"<td class=n>{clips[row.source][False]}<td>{escape(row.licence or 'unknown')}"
        f"<td>{escape(row.consent or 'unknown')}<td>{row.split}<td>{escape(', '.join(row.flags))}"
        for row in version.rows["sources"]
    )
    head = (
        "<th>source<th>size<th class=n>frames<th class=n>shots<th class=n>clips kept<th class=n>rejected"
        "<th>licence<th>consent<th>split<th>flags"
    )
    return f"<table><tr>{head}{rows}</table>"


def _render_unreadable(version: DatasetVersion) -> str:
    unreadable = version.manifest.unreadable
    if not unreadable:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}<td><code>{escape(code)}</code>" for name, code in sorted(unreadable.items())
    )
    return f"<h2>Videos left out</h2><table><tr><th>name<th>reason{rows}</table>"


def _render_captions(version: DatasetVersion) -> str:
    rows = version.rows["captions"]
    items = "".join(
        f"<li><code>{row.clip[:8]}</code>{'' if row.track is None else f' track {row.track}'}: "
        f"{escape(row.text)}{' (rejected)' if row.kept is False else ''}"
        for row in rows[:MOST_CAPTIONS]
    )
    more = f"<p>and {len(rows) - MOST_CAPTIONS} more</p>" if len(rows) > MOST_CAPTIONS else ""
    return f"<ul>{items}</ul>{more}"
