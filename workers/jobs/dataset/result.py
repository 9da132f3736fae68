"""The result of a dataset job: its artefacts, its numbers, and a copy in a bucket."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from maquette.contract import Artefact, DatasetResult, Manifest
from maquette.contract.results.dataset import ExportedFormat

from workers.datasets import parquet
from workers.datasets.dataset_rates import count_rates
from workers.datasets.documents import MEDIA_TYPES, render_documents
from workers.datasets.errors import DatasetError
from workers.datasets.failures import Failure
from workers.datasets.publishing.buckets import publish_to_bucket
from workers.datasets.version import DatasetVersion
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.origins import open_bucket
from workers.jobs.dataset.workspace import JobWorkspace


def load_dataset_manifest(context: JobContext, job_id: str) -> Manifest:
    """The manifest of an earlier dataset job; raises JobProblem for another job, or one without a result."""
    earlier = context.load_manifest(job_id)
    if not isinstance(earlier.result, DatasetResult):
        raise JobProblem("source_wrong_kind", f"'from_job' must name a dataset job; {job_id} is none")
    return earlier


def list_artefacts(context: JobContext, workspace: JobWorkspace, written: DatasetVersion) -> None:
    """Make the artefacts of the job the version's files, whichever part stored them, and its documents."""
    for name, data in render_documents(written, context.get).items():
        workspace.store(name, "document", MEDIA_TYPES[name], data)
    files = {
        file.name: Artefact(
            name=file.name,
            role="table" if file.rows is not None else "asset",
            sha256=file.sha256,
            media_type=file.media_type or parquet.MEDIA_TYPE,
            bytes=file.bytes,
        )
        for file in written.manifest.all_files()
    }
    context.artefacts = sorted((files | workspace.artefacts).values(), key=lambda artefact: artefact.name)


def publish(context: JobContext, address: str, version: str) -> None:
    """Copy the artefacts to a bucket; raises JobProblem."""
    files, folder = open_bucket(context, address)

    def report(done: int, total: int) -> None:
        context.progress("publish", done, total, f"writing to {address}")

    try:
        publish_to_bucket(files, folder, version, context.artefacts, context.get, report)
    except DatasetError as error:
        raise JobProblem(error.code, error.detail, 409) from error
    except OSError as error:
        raise JobProblem("bucket_unwritable", f"{address}: {error}") from error


def build_result(
    written: DatasetVersion,
    published: str | None,
    unreadable: dict[str, str],
    failed: Mapping[str, Failure],
    exported: Sequence[ExportedFormat] = (),
) -> DatasetResult:
    """The numbers of the version, and what was left out: videos and clips with their reasons."""
    totals: Any = written.manifest.totals
    clips = written.rows["clips"]
    return DatasetResult(
        version=written.manifest.version,
        clips=totals["clips"],
        frames=totals["frames"],
        tracks=totals["tracks"],
        observations=totals["observations"],
        rejected=dict(written.manifest.rejected),
        seconds=totals["seconds"],
        assets=totals["assets"],
        splits=dict(sorted(Counter(row.split for row in clips if row.kept).items())),
        funnel=list(written.funnel),
        signed=written.signed,
        published=published,
        unreadable=unreadable,
        failed={clip: str(failure) for clip, failure in failed.items()},
        frame_rates=count_rates(row for row in clips if row.kept),
        exports=list(exported),
    )
