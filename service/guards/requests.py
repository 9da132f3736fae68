"""A job's prompts against what the service knows: media, earlier jobs, and the vocabulary."""

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from maquette.contract import (
    BodiesJob,
    Box,
    ConvertJob,
    DatasetJob,
    DepthFrames,
    DepthMap,
    Intrinsics,
    JobRequest,
    MediaRef,
    ObjectPrompt,
    ObjectsJob,
    Point,
    SceneJob,
    SegmentJob,
    TrackJob,
)
from maquette.contract.vocabulary import parse_phrase

from media.addresses import check_url
from service.problems import ServiceProblem
from storage.broker import DEFAULT_QUEUE
from storage.ledger import Database, files, jobs

# share of its frames by which the container of a video may err
NEARLY = 0.05


def check(db: Database, tenant: str, request: JobRequest, queue: str) -> None:
    """Raise ServiceProblem, MediaError or UnknownPhrase for a request that cannot succeed there."""
    if queue == DEFAULT_QUEUE:
        for phrase in getattr(request, "text", []):
            parse_phrase(phrase)
    if isinstance(request, ConvertJob):
        _asset(db, tenant, request.asset)
        return
    if isinstance(request, DatasetJob):
        for ref, source in zip_longest(request.videos, request.sources):
            info = _media(db, tenant, ref, video=True)
            if source is not None and source.depth is not None:
                _depths(db, tenant, source.depth, info)
        return
    if isinstance(request, TrackJob):
        info = _media(db, tenant, request.video, video=True)
    elif isinstance(request, SegmentJob):
        info = _media(db, tenant, request.image, video=request.frame is not None)
        for index, exemplar in enumerate(request.exemplars):
            if exemplar.image is not None:
                other = _media(db, tenant, exemplar.image, video=False)
                if other is not None and exemplar.box.is_outside(other["width"], other["height"]):
                    raise _outside(f"exemplars[{index}]", other["width"], other["height"])
    elif isinstance(request, SceneJob):
        info = _media(db, tenant, request.image, video=False)
    else:
        info = _source(db, tenant, request)
    depth: DepthMap | None = getattr(request, "depth", None)
    if depth is not None:
        _depth(db, tenant, depth.media, info)
    if info is None:
        return
    _inside(request, info["width"], info["height"])
    camera: Intrinsics | None = getattr(request, "camera", None)
    if camera is not None and (why := camera.why_implausible(info["width"], info["height"])):
        raise ServiceProblem("camera_implausible", 422, f"'camera' is in pixels of the full picture: {why}")


def _source(db: Database, tenant: str, request: ObjectsJob | BodiesJob) -> dict[str, Any] | None:
    if request.image is not None:
        return _media(db, tenant, request.image, video=False)
    if request.video is not None:
        return _media(db, tenant, request.video, video=True)
    job_id = str(request.from_job)
    row = jobs.get(db, tenant, job_id)
    if row is None:
        raise ServiceProblem("job_unknown", 404, f"'from_job' names no job of yours: {job_id}")
    _fits(request, row.kind, job_id)
    if row.state != "succeeded":
        raise ServiceProblem(
            "source_not_ready", 409, f"job {job_id} is {row.state}; wait until it has succeeded"
        )
    source = json.loads(row.request)
    medium = MediaRef.model_validate(source["video" if row.kind == "track" else "image"])
    known = None if medium.id is None else files.find_media(db, tenant, medium.id)
    return None if known is None else known.info


def _fits(request: ObjectsJob | BodiesJob, kind: str, job_id: str) -> None:
    """Whether a request can go on from a job of that kind."""
    if isinstance(request, ObjectsJob):
        known = {"track"} if request.multiview else {"segment"}
    else:
        known = {"segment", "track"}
    if kind not in known:
        wanted = " or ".join(f"a {name}" for name in sorted(known)) + " job"
        raise ServiceProblem(
            "source_wrong_kind", 422, f"'from_job' must name {wanted}; {job_id} is a {kind} job"
        )
    if not isinstance(request, BodiesJob):
        return
    if kind == "track" and (why := request.image_only_format()):
        raise ServiceProblem("source_wrong_kind", 422, f"{job_id} is a track job: {why}")
    if kind == "segment" and (why := request.video_only_field()):
        raise ServiceProblem("source_wrong_kind", 422, f"{job_id} is a segment job: {why} of a video")


def _media(db: Database, tenant: str, ref: MediaRef, *, video: bool) -> dict[str, Any] | None:
    if ref.url is not None:
        check_url(ref.url)
        return None
    row = files.find_media(db, tenant, str(ref.id))
    if row is None:
        raise ServiceProblem("media_unknown", 404, f"no upload has the id {ref.id}: POST /v1/uploads first")
    moves = row.info["kind"] == "video" or (row.info.get("frames") or 1) > 1
    if video and (not moves or row.info["kind"] in ("asset", "array")):
        raise ServiceProblem("not_a_video", 422, f"this job needs a video; the medium is {_what(row.info)}")
    if not video and row.info["kind"] != "image":
        raise ServiceProblem("not_an_image", 422, f"this job needs an image; the medium is {_what(row.info)}")
    return row.info


def _depth(db: Database, tenant: str, ref: MediaRef, picture: dict[str, Any] | None) -> None:
    """Whether a medium may hold the depth of a picture; NumPy files tell their size as they are stored."""
    if ref.url is not None:
        check_url(ref.url)
        return
    row = files.find_media(db, tenant, str(ref.id))
    if row is None:
        raise ServiceProblem("media_unknown", 404, f"no upload has the id {ref.id}: POST /v1/uploads first")
    maps = row.info.get("frames") if row.info["kind"] == "array" else None
    if row.info["kind"] not in ("image", "array") or maps is not None:
        what = _what(row.info) if maps is None else f"a NumPy file of {maps} maps"
        raise ServiceProblem("not_a_depth_map", 422, f"'depth' needs an image or a NumPy file; it is {what}")
    _same_size(row.info, picture)


def _depths(db: Database, tenant: str, given: DepthFrames, video: dict[str, Any] | None) -> None:
    """Whether a medium may hold the depth of each frame of a video."""
    row = files.find_media(db, tenant, str(given.media.id))
    if row is None:
        raise ServiceProblem(
            "media_unknown", 404, f"no upload has the id {given.media.id}: POST /v1/uploads first"
        )
    maps = row.info.get("frames")
    if row.info["kind"] != "video" and not (row.info["kind"] == "array" and maps):
        raise ServiceProblem(
            "not_a_depth_map",
            422,
            f"the depth of a video is a NumPy file of (T, H, W), or grey frames; it is {_what(row.info)}",
        )
    _same_size(row.info, video)
    # what a container tells may be a few frames off; the survey counts
    frames = None if video is None else video.get("frames")
    if maps and frames and abs(maps - frames) > NEARLY * frames:
        raise ServiceProblem(
            "depth_mismatch", 422, f"the depth has {maps} maps, the video {frames} frames: one each is needed"
        )


def _same_size(depth: dict[str, Any], picture: dict[str, Any] | None) -> None:
    size = depth["width"], depth["height"]
    if picture is not None and size != (picture["width"], picture["height"]):
        raise ServiceProblem(
            "depth_mismatch",
            422,
            f"the depth is {size[0]} x {size[1]}, the upright picture {picture['width']} x "
            f"{picture['height']}",
        )


def _what(info: dict[str, Any]) -> str:
    named = {
        "image": "a still image",
        "video": "a video",
        "asset": "a splat or a mesh",
        "array": "a NumPy file",
    }
    return named[info["kind"]]


def _asset(db: Database, tenant: str, ref: MediaRef) -> None:
    if ref.url is not None:
        check_url(ref.url)
        return
    row = files.find_media(db, tenant, str(ref.id))
    if row is None and files.find_artefact(db, tenant, str(ref.id)) is None:
        raise ServiceProblem("media_unknown", 404, f"no upload and no artefact of yours has the id {ref.id}")
    if row is not None and row.info["kind"] != "asset":
        raise ServiceProblem(
            "not_an_asset", 422, f"this job needs a splat or a mesh; the medium is {_what(row.info)}"
        )


def _inside(request: Any, width: int, height: int) -> None:
    boxes: Sequence[Box] = getattr(request, "boxes", [])
    groups: Sequence[Sequence[Point]] = getattr(request, "points", [])
    exemplars: Sequence[Any] = getattr(request, "exemplars", [])
    prompts: Sequence[ObjectPrompt] = getattr(request, "prompts", [])
    named = [(f"boxes[{index}]", box) for index, box in enumerate(boxes)]
    named += [
        (f"exemplars[{index}]", item.box)
        for index, item in enumerate(exemplars)
        if getattr(item, "image", None) is None
    ]
    named += [(f"prompts[{index}].box", item.box) for index, item in enumerate(prompts) if item.box]
    for name, box in named:
        if box.is_outside(width, height):
            raise _outside(name, width, height)
    groups = [*groups, *(item.points for item in prompts)]
    names = [f"points[{index}]" for index in range(len(groups) - len(prompts))]
    names += [f"prompts[{index}].points" for index in range(len(prompts))]
    for name, group in zip(names, groups, strict=True):
        if any(point.is_outside(width, height) for point in group):
            raise _outside(name, width, height)
    masks = [(f"masks[{index}]", mask) for index, mask in enumerate(getattr(request, "masks", []))]
    masks += [(f"prompts[{index}].mask", item.mask) for index, item in enumerate(prompts) if item.mask]
    for name, mask in masks:
        if mask.size != (height, width):
            raise ServiceProblem(
                "mask_size_mismatch",
                422,
                f"{name} is {mask.size[0]} x {mask.size[1]} (height x width); the picture is "
                f"{height} x {width}: resize the mask to the picture",
            )


def _outside(what: str, width: int, height: int) -> ServiceProblem:
    return ServiceProblem(
        "prompt_outside_image",
        422,
        f"{what} lies outside the {width} x {height} picture: prompts are xy pixels of the full picture",
    )
