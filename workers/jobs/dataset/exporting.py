"""Exports the version of a dataset job to other formats, each a TAR archive of the result."""

import json
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from maquette.contract import Artefact, DatasetJob, DatasetResult, Manifest
from maquette.contract.exports import Export
from maquette.contract.results.dataset import ExportedFormat

from workers.datasets import manifest, parquet
from workers.datasets.dataset_rates import FLAG, count_rates
from workers.datasets.errors import DatasetError
from workers.datasets.exporters import load_exporter
from workers.datasets.exporters.base import EXPORT_NOTE, Exporter
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.result import load_dataset_manifest
from workers.jobs.dataset.version_files import copy_files

MEDIA_TYPE, ROLE = "application/x-tar", "export"
CHUNK = 1 << 20


def check_exports(exports: Iterable[Export]) -> None:
    """Raise JobProblem where this worker lacks a library, before any work is done."""
    for export in exports:
        try:
            _configure(export).check_libraries()
        except DatasetError as error:
            raise JobProblem(error.code, error.detail) from error


def run_export(context: JobContext, request: DatasetJob) -> Manifest:
    """The version of `from_job` as it is, with the exports that are wanted now; raises JobProblem."""
    check_exports(request.exports)
    source = str(request.from_job)
    earlier = load_dataset_manifest(context, source)
    files = [artefact for artefact in earlier.artefacts if artefact.role != ROLE]
    for artefact in files:
        if not context.hold(artefact):
            raise JobProblem(
                "source_not_ready", f"the file {artefact.name} of the earlier job was deleted", 409
            )
    context.artefacts = files
    exported = export_version(context, request.exports, tuple(files))
    context.media.sources = list(earlier.provenance.sources)
    assert isinstance(earlier.result, DatasetResult)
    # jobs of older releases did not count them
    rates = earlier.result.frame_rates or _count_rates(context, files)
    update = {"exports": exported, "regated": None, "frame_rates": rates}
    result = earlier.result.model_copy(update=update)
    return context.build_manifest(
        result,
        parameters=dict(earlier.provenance.parameters),
        seed=earlier.provenance.seed,
        reason=earlier.reason,
        flags=[*(flag for flag in earlier.flags if flag != "export_refused"), *flag_result(result)],
        from_job=source,
    )


def _count_rates(context: JobContext, artefacts: Iterable[Artefact]) -> dict[str, int]:
    [clips] = [artefact for artefact in artefacts if artefact.name == "clips.parquet"]
    return count_rates(parquet.read(TABLES["clips"].row, context.get(clips.sha256)))


def export_version(
    context: JobContext, exports: Sequence[Export], artefacts: Sequence[Artefact]
) -> list[ExportedFormat]:
    """Add an archive of each format to the artefacts; `artefacts` are the files of the version.

    Raises JobProblem, and Stopped when the job has to end.
    """
    if not exports:
        return []
    exported = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dataset"
        folder.mkdir()
        wanted = [item for item in artefacts if item.name == manifest.MANIFEST or item.role == "table"]
        copy_files(context, wanted, folder)
        for export in exports:
            out = Path(name) / export.format
            exported.append(_export(context, export, Dataset(folder), out))
            shutil.rmtree(out, ignore_errors=True)
    context.artefacts.sort(key=lambda artefact: artefact.name)
    return exported


def _export(context: JobContext, export: Export, data: Dataset, out: Path) -> ExportedFormat:
    def report(done: int, total: int) -> None:
        context.progress("export", done, total, f"writing {export.format}")

    try:
        files = _configure(export).write(data, out, report=report)
    except DatasetError as error:
        # the version is there, and can be exported otherwise
        return ExportedFormat(format=export.format, file=None, refused=f"{error.code}: {error.detail}")
    file = f"{export.format}.tar"
    context.save_chunks(file, ROLE, MEDIA_TYPE, pack_tar(out))
    left_out = json.loads((out / EXPORT_NOTE).read_text())["left_out"]
    return ExportedFormat(
        format=export.format,
        file=file,
        files=files,
        left_out=Counter(item["reason"] for item in left_out),
    )


def _configure(export: Export) -> Exporter:
    return load_exporter(export.format).configure(**export.model_dump(exclude={"format"}))


def flag_result(result: DatasetResult) -> list[str]:
    """What is particular about the rates and the exports of a version."""
    flags = {
        FLAG: len(result.frame_rates) > 1,
        "export_refused": any(export.refused is not None for export in result.exports),
    }
    return [name for name, is_set in flags.items() if is_set]


def pack_tar(folder: Path) -> Iterator[bytes]:
    """The files of a folder as a TAR archive, in pieces; the same files give the same bytes."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        info = tarfile.TarInfo(path.relative_to(folder).as_posix())
        info.size, info.mode = path.stat().st_size, 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
