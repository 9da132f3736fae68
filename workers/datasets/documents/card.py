"""The dataset card and the index for take-downs."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from workers.datasets.schema import SCHEMA_VERSION, TABLES
from workers.datasets.version import DatasetVersion

UNKNOWN = "unknown"


def render_card(written: DatasetVersion) -> str:
    """Markdown with yields, licences, splits and limits; its head is what the Hugging Face hub reads."""
    rows, manifest = written.rows, written.manifest
    totals = manifest.totals
    clips = [row for row in rows["clips"] if row.kept]
    splits = Counter(row.split for row in clips)
    lines = [
        "---",
        f"license: {_licence(rows['sources'])}",
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
        f"{totals['sources']:.0f} videos; {totals['tracks']:.0f} tracks, {totals['observations']:.0f} "
        f"observations, {totals['assets']:.0f} assets.",
        "",
        "Splits by clips: " + ", ".join(f"{name} {splits[name]}" for name in ("train", "val", "test")) + ". "
        "Whole groups of sources that share a session or near-duplicates are in one split.",
        "",
        "## Yield",
        "",
        *_table(
            ("stage", "of", "in", "out"),
            [(step.stage, step.unit, step.given, step.kept) for step in written.funnel],
        ),
        "",
        "## Concepts",
        "",
        *_table(
            ("phrase", "clips asked", "clips without it", "tracks found", "tracks kept"), _concepts(rows)
        ),
        "",
        "## Sources",
        "",
        *_table(
            ("source", "name", "licence", "consent", "attribution", "session", "split"),
            [
                (
                    f"`{row.source[:12]}`",
                    row.name or UNKNOWN,
                    row.licence or UNKNOWN,
                    row.consent or UNKNOWN,
                    row.attribution or UNKNOWN,
                    row.session or UNKNOWN,
                    row.split,
                )
                for row in rows["sources"]
            ],
        ),
        "",
        "## How it was made",
        "",
        *[f"- {engine['kind']}: {engine['name']} {engine['version']}" for engine in manifest.engines],
        f"- Cameras: {_counted(row.camera_source for row in clips)}; intrinsics: "
        f"{_counted(row.intrinsics_source for row in clips)}.",
        f"- Scale of 3D boxes: {_counted(row.scale_source or 'none' for row in rows['tracks'] if row.kept)}.",
        "- Captions are composed from what was measured; nothing has judged how well they fit.",
        "",
        "## Limits",
        "",
        "- Tracks are machine-made; `decisions` holds every gate's score, `flags` what is weak.",
        "- What is null is unknown. Boxes with `scale_source` prior are guesses from usual sizes.",
        "- Text in pictures is not measured; slow fades are not found as shots.",
        "",
        "## Taking something down",
        "",
        "`takedown.json` names, for each source, its session, its clips and the files that hold them.",
    ]
    return "\n".join(lines) + "\n"


def build_takedown_index(written: DatasetVersion) -> bytes:
    """For each source what has to go when it goes: clips, files of its own, and tables with rows of it."""
    rows, manifest = written.rows, written.manifest
    of_source: dict[str, list[str]] = defaultdict(list)
    for row in rows["clips"]:
        of_source[row.source].append(row.clip)
    files: dict[str, list[str]] = defaultdict(list)
    for items in manifest.tables.values():
        for item in items:
            if item.clip is not None:
                files[item.clip].append(item.name)
    for asset in rows["assets"]:
        files[asset.clip].append(asset.file)
    shared = [
        item.name for name, items in manifest.tables.items() if not TABLES[name].per_clip for item in items
    ]
    content = {
        "version": manifest.version,
        "shared_tables": sorted(shared),
        "sources": {
            row.source: {
                "name": row.name,
                "licence": row.licence,
                "consent": row.consent,
                "session": row.session,
                "clips": of_source[row.source],
                "files": sorted({name for clip in of_source[row.source] for name in files[clip]}),
            }
            for row in rows["sources"]
        },
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _licence(sources: Sequence[Any]) -> str:
    found = {row.licence for row in sources}
    if found == {None}:
        return UNKNOWN
    only = next(iter(found)) if len(found) == 1 else None
    # the head is YAML: words of a submitter stay out of it
    return only.lower() if only and re.fullmatch(r"[\w.+-]+", only) else "other"


def _concepts(rows: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    asked: dict[str, list[Any]] = defaultdict(list)
    for row in rows["concepts"]:
        asked[row.phrase].append(row)
    return [
        (
            phrase,
            len(mine),
            sum(row.found == 0 for row in mine),
            sum(row.found for row in mine),
            sum(row.kept for row in mine),
        )
        for phrase, mine in asked.items()
    ]


def _counted(values: Any) -> str:
    counts = Counter(values)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
