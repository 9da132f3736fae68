"""The files of a version from the result of the pipeline: tables, manifest and signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maquette.contract.datasets import FunnelStep

from workers.datasets import manifest, parquet
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.pipeline import PipelineResult
from workers.datasets.protocols import Workspace
from workers.datasets.schema import TABLES, ClipRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.summary import build_funnel, compute_totals, count_rejected
from workers.engines.protocols import EngineInfo


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A version that was written, with its rows of the tables that are one file per dataset."""

    manifest: DatasetManifest
    rows: Mapping[str, Sequence[Any]]
    funnel: tuple[FunnelStep, ...]
    signed: bool


def write_version(
    workspace: Workspace,
    result: PipelineResult,
    settings: DatasetSettings,
    engines: Sequence[EngineInfo],
    code_version: str,
    key: str | None = None,
    *,
    unreadable: Mapping[str, str] | None = None,
) -> DatasetVersion:
    """Store the tables that are one file per dataset, and the manifest; `key` signs it.

    `unreadable` has the names of videos that were left out, with the code of the reason.
    """
    rows = collect_rows(result)
    tables = _store_tables(workspace, result, rows)
    # equal assets of two clips are one file
    files = {file.name: file for record in result.records for file in record.files}
    built = DatasetManifest(
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
        unreadable=unreadable or {},
    )
    data = built.encode()
    workspace.store(manifest.MANIFEST, "dataset", "application/json", data)
    if key is not None:
        workspace.store(manifest.SIGNATURE, "signature", "application/json", manifest.sign(data, key))
    return DatasetVersion(built, rows, build_funnel(rows), key is not None)


def collect_rows(result: PipelineResult) -> dict[str, list[Any]]:
    """The rows of every table that is one file per dataset, in the order of sources and time."""
    rows: dict[str, list[Any]] = {name: [] for name, table in TABLES.items() if not table.per_clip}
    rows["sources"] = sorted(result.plan.sources, key=lambda row: row.source)
    rows["scores"] += result.plan.scores
    rows["decisions"] += result.plan.decisions
    processed: dict[str, ClipRow] = {}
    for record in result.records:
        for name, clip_rows in record.rows.items():
            if name == "clips":
                processed[record.clip] = clip_rows[0]
            else:
                rows[name] += clip_rows
    for planned in result.plan.clips:
        row = processed.get(planned.clip, planned)
        # splits depend on the other sources, which the record of a clip does not know
        rows["clips"].append(replace(row, split=planned.split, split_group=planned.split_group))
    return rows


def _store_tables(
    workspace: Workspace, result: PipelineResult, rows: Mapping[str, Sequence[Any]]
) -> dict[str, tuple[FileEntry, ...]]:
    """The files of every table; those of clips are stored already."""
    tables: dict[str, tuple[FileEntry, ...]] = {}
    for name, table in TABLES.items():
        if table.per_clip:
            tables[name] = tuple(record.shards[name] for record in result.records if name in record.shards)
            continue
        file = f"{name}.parquet"
        data = parquet.write(table.row, rows[name])
        digest = workspace.store(file, "table", parquet.MEDIA_TYPE, data)
        tables[name] = (FileEntry(name=file, sha256=digest, bytes=len(data), rows=len(rows[name])),)
    return tables
