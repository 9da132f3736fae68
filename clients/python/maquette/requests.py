"""Typed requests from what users give; media are uploaded on the way."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maquette import inputs
from maquette.calls import Operation, upload, upload_any
from maquette.contract import (
    Artefact,
    AssetFormat,
    BodiesJob,
    ConvertJob,
    DatasetJob,
    DepthFrames,
    DepthMap,
    Exemplar,
    MediaRef,
    ObjectPrompt,
    ObjectsJob,
    SceneJob,
    SegmentJob,
    TrackJob,
    VideoExemplar,
    VideoPrompt,
)
from maquette.inputs import Phrases, Source
from maquette.sources.depth_frames import write_depth_file


def segment(
    image: Source,
    text: Phrases | None,
    boxes: Iterable[Any] | None,
    points: Iterable[Any] | None,
    exemplars: Iterable[Any] | None,
    counter_exemplars: Iterable[Any] | None,
    prompts: Iterable[Any] | None,
    threshold: float | None,
    options: dict[str, Any],
) -> Operation[SegmentJob]:
    """A segment job."""
    named = _prompts(text, boxes, points, threshold)
    clicked = inputs.prompts(prompts, ObjectPrompt)
    shown = yield from _shown(exemplars, positive=True)
    shown += yield from _shown(counter_exemplars, positive=False)
    ref = yield from upload_any(image)
    return SegmentJob(image=ref, exemplars=shown, prompts=clicked, **named, **options)


def track(
    video: Source,
    text: Phrases | None,
    boxes: Iterable[Any] | None,
    points: Iterable[Any] | None,
    prompts: Iterable[Any] | None,
    exemplars: Iterable[Any] | None,
    threshold: float | None,
    options: dict[str, Any],
) -> Operation[TrackJob]:
    """A track job."""
    named = _prompts(text, boxes, points, threshold)
    clicked = inputs.prompts(prompts, VideoPrompt)
    shown = inputs.prompts(exemplars, VideoExemplar)
    ref = yield from upload_any(video)
    return TrackJob(video=ref, prompts=clicked, exemplars=shown, **named, **options)


def objects(
    image: Source | None,
    text: Phrases | None,
    boxes: Iterable[Any] | None,
    points: Iterable[Any] | None,
    masks: Iterable[Any] | None,
    from_job: Any,
    threshold: float | None,
    camera: Any,
    depth: Any,
    video: Source | None,
    world_from_cam: Iterable[Any] | None,
    options: dict[str, Any],
) -> Operation[ObjectsJob]:
    """An objects job; with `from_job` no image, video or mask moves."""
    prompts = _prompts(text, boxes, points, threshold)
    ref = None if image is None else (yield from upload_any(image))
    moving = None if video is None else (yield from upload_any(video))
    return ObjectsJob(
        image=ref,
        video=moving,
        world_from_cam=inputs.motions(world_from_cam),
        masks=inputs.masks(masks),
        from_job=_job_id(from_job),
        camera=inputs.camera(camera),
        depth=(yield from _depth(depth)),
        **prompts,
        **options,
    )


def _depth(given: Any) -> Operation[DepthMap | None]:
    """A depth map from a file, an array, or a dict of one as `media` and what is said of it."""
    if given is None or isinstance(given, DepthMap):
        return given
    said = dict(given) if isinstance(given, dict) else {"media": given}
    ref = yield from upload_any(inputs.depth(said.pop("media")))
    return DepthMap(media=ref, **said)


def bodies(
    image: Source | None,
    video: Source | None,
    boxes: Iterable[Any] | None,
    masks: Iterable[Any] | None,
    from_job: Any,
    camera: Any,
    world_from_cam: Iterable[Any] | None,
    options: dict[str, Any],
) -> Operation[BodiesJob]:
    """A bodies job of an image, a video or an earlier job."""
    ref = None if image is None else (yield from upload_any(image))
    moving = None if video is None else (yield from upload_any(video))
    return BodiesJob(
        image=ref,
        video=moving,
        world_from_cam=inputs.motions(world_from_cam),
        boxes=inputs.boxes(boxes),
        masks=inputs.masks(masks),
        from_job=_job_id(from_job),
        camera=inputs.camera(camera),
        **options,
    )


def scene(
    image: Source, text: Phrases, threshold: float | None, camera: Any, options: dict[str, Any]
) -> Operation[SceneJob]:
    """A scene job."""
    ref = yield from upload_any(image)
    return SceneJob(
        image=ref,
        text=inputs.phrases(text),
        threshold=threshold,
        camera=inputs.camera(camera),
        **options,
    )


def convert(asset: Source, formats: Sequence[AssetFormat], options: dict[str, Any]) -> Operation[ConvertJob]:
    """A convert job of a file, an upload, or an artefact of an earlier job."""
    ref = MediaRef(id=asset.sha256) if isinstance(asset, Artefact) else (yield from upload_any(asset))
    return ConvertJob(asset=ref, formats=list(formats), **options)


def dataset(
    videos: Sequence[Source],
    text: Phrases,
    threshold: float | None,
    clip_seconds: float,
    size: int,
    options: dict[str, Any],
) -> Operation[DatasetJob]:
    """A dataset job; what is told of the videos may hold their depth."""
    refs = []
    for video in videos:
        refs.append((yield from upload_any(video)))
    told = []
    for source in options.pop("sources", None) or ():
        told.append((yield from _told(source)))
    return DatasetJob(
        videos=refs,
        sources=told,
        text=inputs.phrases(text),
        threshold=threshold,
        clip_seconds=clip_seconds,
        size=size,
        **options,
    )


def _told(source: Any) -> Operation[Any]:
    """What is known of a video, with its depth uploaded: a folder, a file, an array, or a dict of `media`."""
    known = source if isinstance(source, dict) else source.model_dump()
    depth = known.get("depth")
    if depth is None or isinstance(depth, DepthFrames):
        return known
    said = dict(depth) if isinstance(depth, dict) else {"media": depth}
    media = said["media"]
    if not isinstance(media, dict | MediaRef):
        with tempfile.TemporaryDirectory() as scratch:
            said["media"] = yield from upload(write_depth_file(media, Path(scratch)))
    return {**known, "depth": said}


def _shown(given: Iterable[Any] | None, *, positive: bool) -> Operation[list[Exemplar]]:
    """Boxes of the image itself, or dicts of a `box` and the `image` that it lies in."""
    found = []
    for item in given or ():
        if isinstance(item, dict):
            [box] = inputs.boxes([item["box"]])
            ref = yield from upload_any(item["image"])
            found.append(Exemplar(box=box, positive=positive, image=ref))
        else:
            [box] = inputs.boxes([item])
            found.append(Exemplar(box=box, positive=positive))
    return found


def _prompts(
    text: Phrases | None, boxes: Iterable[Any] | None, points: Iterable[Any] | None, threshold: float | None
) -> dict[str, Any]:
    return {
        "text": inputs.phrases(text),
        "boxes": inputs.boxes(boxes),
        "points": inputs.points(points),
        "threshold": threshold,
    }


def _job_id(job: Any) -> str | None:
    return None if job is None else str(getattr(job, "id", job))
