"""Decides the version of an earlier dataset job by other bounds or by hand, from its tables alone."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from maquette.contract import Artefact, DatasetJob, Manifest
from maquette.contract.datasets import RegateChanges, Review

from workers.datasets import manifest, parquet
from workers.datasets.errors import DatasetError
from workers.datasets.gates.policy import Bound
from workers.datasets.reader import Dataset
from workers.datasets.regating.versions import RegatedVersion, build_regated_version
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.earlier_clips import record_clips
from workers.jobs.dataset.exporting import check_exports, export_version, flag_result
from workers.jobs.dataset.plans import store_regated_plan
from workers.jobs.dataset.result import build_result, list_artefacts, load_dataset_manifest, publish
from workers.jobs.dataset.version_files import copy_files
from workers.jobs.dataset.workspace import JobWorkspace

# tables of single clips that no bound changes: they are large, and their files stay
UNREAD = ("frames-", "actions-")


def run_regate(context: JobContext, request: DatasetJob) -> Manifest:
    """The version that `gates` and `reviews` make of the version of `from_job`; raises JobProblem."""
    check_exports(request.exports)
    source = str(request.from_job)
    earlier = load_dataset_manifest(context, source)
    artefacts = {artefact.name: artefact for artefact in earlier.artefacts}
    reviews = [_complete(review, context) for review in request.reviews]
    with tempfile.TemporaryDirectory() as scratch:
        regated = _build(context, request, reviews, artefacts, Path(scratch))
        context.progress("write", message="writing the tables")
        workspace = _store(context, regated, artefacts)
    written = regated.version
    store_regated_plan(context, workspace, request, reviews, artefacts)
    list_artefacts(context, workspace, written)
    record_clips(context, written)
    if request.publish is not None:
        publish(context, request.publish, written.manifest.version)
    exported = export_version(context, request.exports, context.artefacts)
    context.media.sources = list(earlier.provenance.sources)
    result = build_result(written, request.publish, dict(written.manifest.unreadable), {}, exported)
    changes = RegateChanges.model_validate(regated.changes.as_json())
    return context.build_manifest(
        result.model_copy(update={"regated": changes}),
        parameters=dict(written.manifest.parameters),
        seed=earlier.provenance.seed,
        reason=None if result.tracks else "no track passes the gates",
        flags=[*([] if result.tracks else ["nothing_found", "tracks_rejected"]), *flag_result(result)],
        from_job=source,
    )


def _build(
    context: JobContext,
    request: DatasetJob,
    reviews: Sequence[Review],
    artefacts: dict[str, Artefact],
    scratch: Path,
) -> RegatedVersion:
    """The new version, from copies of the tables that are read; its files are in `scratch`."""
    earlier, new = scratch / "earlier", scratch / "new"
    earlier.mkdir()
    new.mkdir()
    needed = [
        artefact
        for name, artefact in sorted(artefacts.items())
        if name == manifest.MANIFEST or (name.endswith(".parquet") and not name.startswith(UNREAD))
    ]
    bounds: dict[str, Bound] = {name: (bound.low, bound.high) for name, bound in request.gates.items()}
    for number, artefact in enumerate(needed):
        context.progress("read", number, len(needed))
        copy_files(context, [artefact], earlier)
    try:
        key = context.settings.dataset_key
        return build_regated_version(Dataset(earlier), bounds, new, reviews, is_signed=bool(key))
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error


def _complete(review: Review, context: JobContext) -> Review:
    """The review with who and when, where the request leaves that out."""
    submitted = datetime.fromtimestamp(context.job.created_at, UTC)
    return review.model_copy(
        update={"reviewer": review.reviewer or context.job.tenant, "at": review.at or submitted}
    )


def _store(context: JobContext, regated: RegatedVersion, artefacts: dict[str, Artefact]) -> JobWorkspace:
    """Store the new files, and hold those of the earlier job that stay."""
    workspace = JobWorkspace(context)
    for name in (entry.name for entry in regated.list_files()):
        new = regated.folder / name
        if new.is_file():
            workspace.store(name, "table", parquet.MEDIA_TYPE, new.read_bytes())
        elif not context.hold(artefacts[name]):
            raise JobProblem("source_not_ready", f"the file {name} of the earlier job was deleted", 409)
    data = regated.version.manifest.encode()
    workspace.store(manifest.MANIFEST, "dataset", "application/json", data)
    key = context.settings.dataset_key
    if key:
        workspace.store(manifest.SIGNATURE, "signature", "application/json", manifest.sign(data, key))
    return workspace
