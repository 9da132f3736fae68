"""The files of a version from the result of the pipeline: tables, manifest and signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maquette.contract.datasets import FunnelStep

from workers.datasets import manifest, parquet
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.pipeline import PipelineResult
from workers.datasets.protocols import Workspace
from workers.datasets.schema import TABLES
from workers.datasets.settings import DatasetSettings
from workers.datasets.spooled_rows import spool_files, spool_table
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
    rows, entries, files = _collect(result)
    tables = _store_tables(workspace, rows, entries)
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


def _collect(
    result: PipelineResult,
) -> tuple[Mapping[str, Sequence[Any]], Mapping[str, Sequence[FileEntry]], Mapping[str, FileEntry]]:
    """The rows of tables that are one file per dataset, the files of the others, and the assets.

    Rows are in the order of sources and time; they lie in files, and so do descriptions of files. Equal
    assets of two clips are one file.
    """
    tables = {name: spool_table(table.row) for name, table in TABLES.items() if not table.per_clip}
    entries = {name: spool_files() for name in TABLES.keys() - tables.keys()}
    files: dict[str, FileEntry] = {}
    tables["sources"].extend(sorted(result.plan.sources, key=lambda row: row.source))
    tables["scores"].extend(result.plan.scores)
    tables["decisions"].extend(result.plan.decisions)
    records = iter(result.records)
    record = next(records, None)
    for planned in result.plan.clips:
        row = planned
        if record is not None and record.clip == planned.clip:
            [row] = record.rows["clips"]
            for name in record.rows.keys() - {"clips"}:
                tables[name].extend(record.rows[name])
            for name, entry in record.shards.items():
                entries[name].append(entry)
            files |= {file.name: file for file in record.files}
            record = next(records, None)
        # splits depend on the other sources, which the record of a clip does not know
        tables["clips"].append(replace(row, split=planned.split, split_group=planned.split_group))
    assert record is None, "records are in the order of the plan"
    return tables, entries, files


def _store_tables(
    workspace: Workspace, rows: Mapping[str, Sequence[Any]], entries: Mapping[str, Sequence[FileEntry]]
) -> dict[str, Sequence[FileEntry]]:
    """The files of every table; those of clips are stored already."""
    tables: dict[str, Sequence[FileEntry]] = {}
    for name, table in TABLES.items():
        if table.per_clip:
            tables[name] = entries[name]
            continue
        file = f"{name}.parquet"
        data = parquet.write(table.row, rows[name])
        digest = workspace.store(file, "table", parquet.MEDIA_TYPE, data)
        tables[name] = (FileEntry(name=file, sha256=digest, bytes=len(data), rows=len(rows[name])),)
    return tables
