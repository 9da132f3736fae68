"""From what was built to the files of a version: tables, manifest, totals and the funnel."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maquette.contract.datasets import FunnelStep

from workers.datasets import manifest, parquet
from workers.datasets.captions.scoring import GATE
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.pipeline import PipelineResult
from workers.datasets.protocols import Workspace
from workers.datasets.schema import TABLES, ClipRow
from workers.datasets.settings import DatasetSettings
from workers.engines.protocols import EngineInfo


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """The version, and its rows of the tables of the whole part."""

    manifest: DatasetManifest
    rows: Mapping[str, Sequence[Any]]
    funnel: tuple[FunnelStep, ...]
    signed: bool


def write_version(
    workspace: Workspace,
    built: PipelineResult,
    settings: DatasetSettings,
    engines: Sequence[EngineInfo],
    code_version: str,
    key: str | None = None,
) -> DatasetVersion:
    """Store the tables and the manifest; `key` signs it."""
    rows = collect_rows(built)
    tables: dict[str, tuple[FileEntry, ...]] = {}
    for name, table in TABLES.items():
        if table.per_clip:
            tables[name] = tuple(r.shards[name] for r in built.records if name in r.shards)
            continue
        data = parquet.write(table.row, rows[name])
        digest = workspace.store(f"{name}.parquet", "table", parquet.MEDIA_TYPE, data)
        tables[name] = (
            FileEntry(name=f"{name}.parquet", sha256=digest, bytes=len(data), rows=len(rows[name])),
        )
    # equal content is one file, whoever made it
    files = {file.name: file for record in built.records for file in record.files}
    made = DatasetManifest(
        tables=tables,
        files=tuple(files.values()),
        totals=compute_totals(rows, tables),
        rejected=count_rejected(rows),
        parameters=settings.as_json(),
        policy=settings.policy.name,
        code_version=code_version,
        engines=tuple(
            {"kind": info.kind, "name": info.name, "version": info.version, "weights": dict(info.weights)}
            for info in engines
        ),
    )
    data = made.encode()
    workspace.store(manifest.MANIFEST, "dataset", "application/json", data)
    if key is not None:
        workspace.store(manifest.SIGNATURE, "signature", "application/json", manifest.sign(data, key))
    return DatasetVersion(made, rows, build_funnel(rows, tables), key is not None)


def collect_rows(built: PipelineResult) -> dict[str, list[Any]]:
    """The rows of every table of the whole part, in the order of sources and time."""
    rows: dict[str, list[Any]] = {name: [] for name, table in TABLES.items() if not table.per_clip}
    rows["sources"] = sorted(built.plan.sources, key=lambda row: row.source)
    rows["scores"] += built.plan.scores
    rows["decisions"] += built.plan.decisions
    done: dict[str, ClipRow] = {}
    for record in built.records:
        for name, mine in record.rows.items():
            if name == "clips":
                done[record.clip] = mine[0]
            else:
                rows[name] += mine
    for row in built.plan.clips:
        worked = done.get(row.clip)
        # splits depend on the other sources, which a clip's own record does not know
        rows["clips"].append(
            row if worked is None else replace(worked, split=row.split, split_group=row.split_group)
        )
    return rows


def compute_totals(
    rows: Mapping[str, Sequence[Any]], tables: Mapping[str, Sequence[FileEntry]]
) -> dict[str, float]:
    """What was kept, counted."""
    kept = [row for row in rows["clips"] if row.kept]
    return {
        "sources": len(rows["sources"]),
        "clips": len(kept),
        "frames": sum(row.frames for row in kept),
        "seconds": round(sum(row.end_seconds - row.start_seconds for row in kept), 6),
        "tracks": sum(row.kept for row in rows["tracks"]),
        "observations": sum(file.rows or 0 for file in tables["observations"]),
        "assets": len(rows["assets"]),
        "bytes": sum(file.bytes for files in tables.values() for file in files),
    }


def count_rejected(rows: Mapping[str, Sequence[Any]]) -> dict[str, int]:
    """Clips, tracks and captions that failed, by gate."""
    return dict(sorted(Counter(row.gate for row in rows["decisions"] if not row.passed).items()))


def build_funnel(
    rows: Mapping[str, Sequence[Any]], tables: Mapping[str, Sequence[FileEntry]]
) -> tuple[FunnelStep, ...]:
    """How many went into each stage and came out: frames, clips, then tracks gate by gate."""
    clips, tracks = rows["clips"], rows["tracks"]
    decoded = sum(row.frames for row in rows["sources"])
    planned = sum(row.frames for row in clips)
    steps = [FunnelStep(stage="shots", unit="frames", given=decoded, kept=planned)]
    decisions = [row for row in rows["decisions"] if row.gate != GATE]
    steps += _gates("clips", len(clips), [row for row in decisions if row.track is None])
    looked = [row for row in clips if row.kept]
    full = {row.clip for row in tracks}
    steps.append(FunnelStep(stage="found", unit="clips", given=len(looked), kept=len(full)))
    steps += _gates("tracks", len(tracks), [row for row in decisions if row.track is not None])
    captions = rows["captions"]
    fits = sum(row.kept is not False for row in captions)
    steps.append(FunnelStep(stage=GATE, unit="captions", given=len(captions), kept=fits))
    return tuple(steps)


def _gates(unit: str, count: int, decisions: Sequence[Any]) -> list[FunnelStep]:
    """One step a gate, in the order of the gates; what an earlier gate stopped does not reach the next."""
    steps: list[FunnelStep] = []
    order = list(dict.fromkeys(row.gate for row in decisions))
    gone: set[tuple[str, int | None]] = set()
    for gate in order:
        given = count - len(gone)
        gone |= {(row.clip, row.track) for row in decisions if row.gate == gate and not row.passed}
        steps.append(FunnelStep(stage=gate, unit=unit, given=given, kept=count - len(gone)))
    return steps
