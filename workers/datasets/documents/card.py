"""The dataset card."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.datasets.documents.markdown import choose_licence, escape_markdown, render_table
from workers.datasets.schema import SCHEMA_VERSION
from workers.datasets.splits import flag_sessions
from workers.datasets.version import DatasetVersion

UNKNOWN = "unknown"
SESSION_NOTES = {
    "sessions_assumed": "Sources without a session whose names differ only by a number are taken for one "
    "recording.",
    "sessions_unknown": "The sessions of several sources are unknown: where nothing else connects them, "
    "parts of one recording may lie in different splits.",
}


def render_card(version: DatasetVersion) -> str:
    """Markdown with yields, licences, splits and limits; the Hugging Face hub reads its head."""
    lines = [
        *_render_head(version),
        "## Yield",
        "",
        *render_table(
            ("stage", "unit", "in", "out"),
            [(step.stage, step.unit, step.given, step.kept) for step in version.funnel],
        ),
        "",
        "## Concepts",
        "",
        *render_table(
            ("phrase", "clips searched", "clips without it", "tracks found", "tracks kept"),
            _count_concepts(version.rows),
        ),
        "",
        "## Sources",
        "",
        *render_table(
            ("source", "name", "licence", "consent", "attribution", "session", "split"),
            [_describe_source(row) for row in version.rows["sources"]],
        ),
        "",
        *_render_unreadable(version),
        *_render_methods(version),
        "## Limits",
        "",
        "- Tracks are machine-made; `decisions` has the score of every gate, `flags` what is uncertain.",
        "- Null means unknown. 3D boxes with `scale_source` prior are guesses from typical sizes.",
        "- Fades through black and dissolves of more than 2 s are not detected as transitions.",
        "",
        "## Take-downs",
        "",
        "`takedown.json` lists, for every source, its session, its clips and the files that contain them.",
    ]
    return "\n".join(lines) + "\n"


def _render_head(version: DatasetVersion) -> list[str]:
    manifest, totals = version.manifest, version.manifest.totals
    clips = version.rows["clips"]
    splits = Counter(row.split for row in clips if row.kept)
    sources = {row.source for row in clips if row.kept}
    counts = ", ".join(f"{name} {splits[name]}" for name in ("train", "val", "test"))
    return [
        "---",
        f"license: {choose_licence({row.licence for row in version.rows['sources']})}",
        "task_categories: [video-classification, object-detection, image-segmentation]",
        "tags: [maquette, object-centric, video]",
        "---",
        "",
        "# Dataset card",
        "",
        f"Version `{manifest.version}`, schema {SCHEMA_VERSION}, policy `{manifest.policy}`, made by "
        f"Maquette {manifest.code_version}.",
        "",
        f"{totals['clips']:.0f} clips ({totals['seconds']:.1f} s, {totals['frames']:.0f} frames) of "
        f"{len(sources)} of the {totals['sources']:.0f} videos below; {totals['tracks']:.0f} tracks, "
        f"{totals['observations']:.0f} observations, {totals['assets']:.0f} assets.",
        "",
        f"Clips per split: {counts}. Sources that are known to share a session, or have near-duplicate "
        "clips, are in one split."
        f"{_describe_sessions(version)}",
        "",
    ]


def _describe_sessions(version: DatasetVersion) -> str:
    flags = flag_sessions(
        version.rows["sources"], group_by_name=bool(version.manifest.parameters.get("group_by_name"))
    )
    return "".join(f" {SESSION_NOTES[flag]}" for flag in flags)


def _render_unreadable(version: DatasetVersion) -> list[str]:
    unreadable = version.manifest.unreadable
    if not unreadable:
        return []
    rows = [(escape_markdown(name), f"`{code}`") for name, code in sorted(unreadable.items())]
    return ["## Videos left out", "", *render_table(("name", "reason"), rows), ""]


def _render_methods(version: DatasetVersion) -> list[str]:
    rows = version.rows
    cameras, intrinsics = (
        _format_counts(getattr(row, name) for row in rows["clips"] if row.kept)
        for name in ("camera_source", "intrinsics_source")
    )
    scales = _format_counts(row.scale_source or "no box" for row in rows["tracks"] if row.kept)
    captions = _format_counts(row.kind for row in rows["captions"] if row.kept is not False)
    return [
        "## Methods",
        "",
        *[f"- {engine['kind']}: {engine['name']} {engine['version']}" for engine in version.manifest.engines],
        f"- Cameras: {cameras}; intrinsics: {intrinsics}.",
        f"- Scale of the 3D boxes of kept tracks: {scales}.",
        f"- Captions that were kept: {captions}; the score of a "
        "caption is the share of its facts that hold in another frame.",
        "",
    ]


def _describe_source(row: Any) -> tuple[str, ...]:
    return (
        f"`{row.source[:12]}`",
        *(
            escape_markdown(text or UNKNOWN)
            for text in (row.name, row.licence, row.consent, row.attribution, row.session)
        ),
        row.split,
    )


def _count_concepts(rows: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows["concepts"]:
        cells = counts[row.phrase]
        for place, value in enumerate((1, row.found == 0, row.found, row.kept)):
            cells[place] += value
    return [(escape_markdown(phrase), *cells) for phrase, cells in counts.items()]


def _format_counts(values: Iterable[str]) -> str:
    counts = Counter(values)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
