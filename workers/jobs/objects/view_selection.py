"""Tracks the objects of a video and selects the frames from which each is reconstructed."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
from maquette.contract import Artefact, Manifest, MediaRef, ObjectsJob, TrackJob, TrackResult
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb
from workers.errors import JobProblem
from workers.formats.images import shrink_image
from workers.jobs.context import JobContext
from workers.jobs.track.chunked_tracking import ChunkedTracker, TrackingCheckpoint
from workers.jobs.track.mask_rows import FrameMasks, read_frames
from workers.jobs.track.prompts import build_track_prompts

# longest side of selected frames in pixels; chosen, not measured
LONGEST_SIDE = 1024


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """One track: its label and its mean score, where known."""

    id: int
    label: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class TrackedObjects:
    """The objects of a video, and the artefacts with their masks."""

    masks: Sequence[Artefact]
    objects: Sequence[TrackedObject]


@dataclass(frozen=True, slots=True)
class SelectedFrames:
    """Selected frames with their masks; images are at most LONGEST_SIDE pixels long.

    `size` is (width, height) of the video.
    """

    masks: list[FrameMasks]
    images: list[Rgb]
    size: tuple[int, int]

    def load_mask(self, number: int, track: int) -> Mask:
        """The mask (H, W) of a track in the selected frame `number`; empty where it is not seen."""
        shape = self.images[number].shape[:2]
        for item in self.masks[number].objects:
            if item.id == track:
                return resize_area(item.mask.astype(np.uint8) * np.uint8(255), shape) >= 128
        return np.zeros(shape, dtype=np.bool_)


def load_tracks(earlier: Manifest, job_id: str) -> TrackedObjects:
    """The objects of an earlier track job; raises JobProblem for another kind of job."""
    if not isinstance(earlier.result, TrackResult):
        raise JobProblem("source_wrong_kind", f"job {job_id} is not a track job: it has one view")
    tracks = [TrackedObject(track.id, track.label, track.mean_score) for track in earlier.result.tracks]
    return TrackedObjects(earlier.artefacts, tracks)


def track_objects(context: JobContext, request: ObjectsJob, video_ref: MediaRef) -> TrackedObjects:
    """Track what the prompts name, from the first frame on."""
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    engine.check(request.text)
    checkpoint = TrackingCheckpoint.from_json(context.job.checkpoint)
    context.restore_artefacts(checkpoint.chunks)
    job = TrackJob(
        video=video_ref,
        text=request.text,
        boxes=request.boxes,
        points=request.points,
        threshold=request.threshold,
        thresholds=request.thresholds,
    )
    video = context.media.open_video(video_ref, start=max(checkpoint.decoded - 1, 0))
    with closing(video.frames):
        prompts = build_track_prompts(job, 0, video.width, video.height)
        tracker = ChunkedTracker(
            context=context,
            checkpoint=checkpoint,
            save=lambda checkpoint: context.save_checkpoint(checkpoint.to_json()),
        )
        tracker.track(video, prompts, None)
    tracks = [
        TrackedObject(number, item.label, item.mean_score)
        for number, item in sorted(checkpoint.tracks.items())
    ]
    return TrackedObjects([Artefact.model_validate(item) for item in checkpoint.chunks], tracks)


def select_frames(
    context: JobContext, video_ref: MediaRef, tracked: TrackedObjects, count: int
) -> SelectedFrames:
    """At most `count` frames, evenly spread over those that show an object."""
    occupied = [frame.frame for frame in read_frames(context, tracked.masks) if frame.objects]
    places = np.linspace(0, len(occupied) - 1, min(count, len(occupied))).round().astype(int)
    selected = {occupied[place] for place in places}
    masks = [frame for frame in read_frames(context, tracked.masks) if frame.frame in selected]
    context.progress("views", 0, len(selected))
    video = context.media.open_video(video_ref)
    images = []
    # read to the end: a decoder that is stopped on the way has to be started again
    for frame in video.frames:
        if frame.index in selected:
            images.append(shrink_image(frame.pixels, LONGEST_SIDE))
    return SelectedFrames(masks, images, (video.width, video.height))


def resize_area(image: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An image resized to (height, width) by area averaging."""
    if image.shape[:2] == shape:
        return image
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
