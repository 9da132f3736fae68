"""Checks a request against what the ledger knows: media, earlier jobs, and what the operator allows.

What can be known from the request alone, the types of the contract check themselves.
"""

import json
from dataclasses import dataclass
from functools import singledispatch
from itertools import zip_longest

from maquette.contract import (
    BodiesJob,
    ConvertJob,
    DatasetJob,
    Intrinsics,
    JobRequest,
    MediaRef,
    ObjectsJob,
    SceneJob,
    SegmentJob,
    TrackJob,
)
from maquette.contract.requests import JobBase, Misfit, ReconstructionJob, Region, find_misfit
from maquette.contract.vocabulary import parse_phrase

from service.guards import datasets
from service.guards.engine_options import check_engine_options
from service.guards.features import check_features
from service.guards.media import MediaInfo, TenantMedia
from service.problems import ServiceProblem
from service.state import State
from storage.broker import DEFAULT_QUEUE
from storage.ledger import JobRow, jobs


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose request it is, and which queue would run it."""

    state: State
    tenant: str
    queue: str

    @property
    def media(self) -> TenantMedia:
        """The tenant's media."""
        return TenantMedia(self.state.db, self.tenant)


def check_request(state: State, tenant: str, request: JobRequest, queue: str) -> None:
    """Raise ServiceProblem, MediaError or UnknownPhrase for a request that cannot succeed on that queue."""
    if queue == DEFAULT_QUEUE:
        for phrase in request.phrases():
            parse_phrase(phrase)
    _refuse(request.find_unstartable())
    _check(request, Scope(state, tenant, queue))
    # what the sender can do better comes before what the operator has to install
    candidates = state.router.list_workers(queue)
    check_engine_options(request, candidates, state.router.list_workers())
    check_features(request, candidates)


@singledispatch
def _check(request: JobBase, scope: Scope) -> None:
    raise TypeError(f"no check for {type(request).__name__}: register one here")


@_check.register
def _(request: SegmentJob, scope: Scope) -> None:
    media = scope.media
    info = media.require_image(request.image) if request.frame is None else media.require_video(request.image)
    for index, exemplar in enumerate(request.exemplars):
        if exemplar.image is not None and (other := media.require_image(exemplar.image)) is not None:
            region = Region(f"exemplars[{index}]", exemplar.box)
            _refuse(find_misfit([region], other["width"], other["height"]))
    for item in request.images:
        media.require_image(item.image)
    _check_fit(request, info)


@_check.register
def _(request: TrackJob, scope: Scope) -> None:
    _check_fit(request, scope.media.require_video(request.video))


@_check.register(ObjectsJob)
@_check.register(SceneJob)
def _(request: ReconstructionJob, scope: Scope) -> None:
    info = _require_source(request, scope)
    if request.depth is not None:
        scope.media.require_depth_map(request.depth.media, info)
    _check_fit(request, info, request.camera)


@_check.register
def _(request: BodiesJob, scope: Scope) -> None:
    _check_fit(request, _require_source(request, scope), request.camera)


@_check.register
def _(request: ConvertJob, scope: Scope) -> None:
    scope.media.require_asset(request.asset)


@_check.register
def _(request: DatasetJob, scope: Scope) -> None:
    if request.from_job is not None:
        row = _require_job(str(request.from_job), scope)
        if row.kind != "dataset":
            detail = f"'from_job' must name a dataset job; {row.id} is a {row.kind} job"
            raise ServiceProblem("source_wrong_kind", 422, detail)
        _require_success(row)
    media = scope.media
    for ref, source in zip_longest(request.videos, request.sources):
        info = media.require_video(ref)
        if source is not None and source.depth is not None:
            media.require_depth_frames(source.depth, info)
    datasets.check_buckets(scope.state.settings, scope.tenant, request)
    datasets.check_prices(scope.state, request, scope.queue)


def _check_fit(request: JobBase, info: MediaInfo | None, camera: Intrinsics | None = None) -> None:
    """Raise ServiceProblem when regions or intrinsics do not fit the image; nothing is known of addresses."""
    if info is None:
        return
    width, height = info["width"], info["height"]
    _refuse(request.find_misfit(width, height))
    if camera is not None and (why := camera.why_implausible(width, height)):
        raise ServiceProblem("camera_implausible", 422, f"'camera' is in pixels of the full image: {why}")


def to_problem(misfit: Misfit) -> ServiceProblem:
    """What the sender of a prompt that fits nothing receives."""
    return ServiceProblem(misfit.code, 422, misfit.detail)


def _refuse(misfit: Misfit | None) -> None:
    if misfit is not None:
        raise to_problem(misfit)


def _require_source(request: ReconstructionJob | BodiesJob, scope: Scope) -> MediaInfo | None:
    """The image or video of a request, or of the earlier job that it continues."""
    if request.image is not None:
        return scope.media.require_image(request.image)
    if isinstance(request, ObjectsJob | BodiesJob) and request.video is not None:
        return scope.media.require_video(request.video)
    row = _require_job(str(request.from_job), scope)
    _check_source_kind(request, row.kind, row.id)
    _require_success(row)
    source = json.loads(row.request)
    medium = MediaRef.model_validate(source["video" if row.kind == "track" else "image"])
    return None if medium.id is None else scope.media.find(medium.id)


def _require_job(job_id: str, scope: Scope) -> JobRow:
    """The earlier job that a request continues."""
    row = jobs.get(scope.state.db, scope.tenant, job_id)
    if row is None:
        raise ServiceProblem("job_unknown", 404, f"'from_job' names no job of yours: {job_id}")
    return row


def _require_success(row: JobRow) -> None:
    if row.state != "succeeded":
        raise ServiceProblem(
            "source_not_ready", 409, f"job {row.id} is {row.state}; wait until it has succeeded"
        )


def _check_source_kind(request: ReconstructionJob | BodiesJob, kind: str, job_id: str) -> None:
    if isinstance(request, BodiesJob):
        accepted = {"segment", "track"}
    else:
        accepted = {"track"} if isinstance(request, ObjectsJob) and request.multiview else {"segment"}
    if kind not in accepted:
        wanted = " or ".join(f"a {name}" for name in sorted(accepted)) + " job"
        raise ServiceProblem(
            "source_wrong_kind", 422, f"'from_job' must name {wanted}; {job_id} is a {kind} job"
        )
    if not isinstance(request, BodiesJob):
        return
    if kind == "track" and (why := request.image_only_format()):
        raise ServiceProblem("source_wrong_kind", 422, f"{job_id} is a track job: {why}")
    if kind == "segment" and (why := request.video_only_field()):
        raise ServiceProblem("source_wrong_kind", 422, f"{job_id} is a segment job: {why} of a video")
