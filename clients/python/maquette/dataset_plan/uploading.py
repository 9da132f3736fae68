"""Upload the videos of a plan; those that cannot be used are left out and reported."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maquette.client import Maquette
from maquette.contract import MediaRef
from maquette.dataset_plan.videos import PlannedVideo
from maquette.errors import MaquetteError
from maquette.skipping import InputRefused, SkippedInput, record_reason, refuse_all, to_skipped
from maquette.sources.avi import pack_frames
from maquette.sources.buckets import BucketVideo
from maquette.sources.folders import FrameFolder

SkipCallback = Callable[[SkippedInput], object]


@dataclass(frozen=True, slots=True)
class UploadedVideos:
    """Videos with their uploads, and those that were left out."""

    videos: list[PlannedVideo] = field(default_factory=list)
    refs: list[MediaRef] = field(default_factory=list)
    skipped: list[SkippedInput] = field(default_factory=list)

    def reasons(self) -> dict[str, str]:
        """Return the codes of the videos that were left out, by name."""
        reasons: dict[str, str] = {}
        for item in self.skipped:
            record_reason(reasons, Path(item.name).name, item.code)
        return reasons


def upload_videos(
    mq: Maquette,
    videos: Sequence[PlannedVideo],
    numbered_rate: float,
    on_skip: SkipCallback | None,
    *,
    strict: bool,
    most: int | None = None,
) -> UploadedVideos:
    """Upload videos, until there are `most`.

    With `strict`, raises InputRefused for the first that cannot be used. Raises whatever is not about a
    single video, such as ConnectionFailed.
    """
    uploaded = UploadedVideos()
    for video in videos:
        if len(uploaded.refs) == most:
            break
        try:
            ref = _upload(mq, video, numbered_rate)
        except (MaquetteError, OSError) as error:
            skipped = to_skipped(video.label, error)
            if strict:
                raise refuse_all([skipped]) from error
            uploaded.skipped.append(skipped)
            if on_skip is not None:
                on_skip(skipped)
        else:
            uploaded.refs.append(ref)
            uploaded.videos.append(video)
    return uploaded


def _upload(mq: Maquette, video: PlannedVideo, numbered_rate: float) -> MediaRef:
    medium = video.medium
    if isinstance(medium, FrameFolder | BucketVideo):
        # one at a time, so that the disk holds one copy
        with tempfile.TemporaryDirectory() as scratch:
            return mq.upload(_write_video(medium, numbered_rate, Path(scratch)))
    ref = mq.upload(medium)
    media = mq.media(ref)
    if media is not None and media.kind != "video" and (media.kind != "image" or (media.frames or 1) == 1):
        raise InputRefused(f"it is no video but {media.media_type}", "not_a_video")
    return ref


def _write_video(medium: FrameFolder | BucketVideo, numbered_rate: float, folder: Path) -> Path:
    try:
        if isinstance(medium, FrameFolder):
            return pack_frames(medium, numbered_rate, folder / "packed.avi")
        return medium.fetch(folder, numbered_rate)
    except ValueError as error:
        raise InputRefused(str(error)) from error
