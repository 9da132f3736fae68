"""All captions of a clip: composed ones, those of an engine that is plugged in, and how well they fit."""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from workers.datasets.captions import composed, scoring
from workers.datasets.errors import DatasetError
from workers.datasets.protocols import BatchCaptioner, Captioner, MaskedImage
from workers.datasets.schema import CameraRow, CaptionRow, ClipRow, FrameRow, TrackRow
from workers.datasets.stages.measure import TrackedClip, TrackObservation
from workers.engines.protocols import Rgb
from workers.formats.rle import decode_mask

VIEWS = 16


def caption_clip(
    captioner: Captioner | None,
    clip: ClipRow,
    followed: TrackedClip,
    tracks: Sequence[TrackRow],
    cameras: Sequence[CameraRow],
) -> list[CaptionRow]:
    """Captions of the clip and of its kept tracks, with their scores; an engine's stand first."""
    found = composed.compose_captions(clip, tracks, followed.seen, followed.crops)
    if captioner is not None:
        # readers who want one caption take the first
        found = describe_with_engine(captioner, followed.frames, tracks, followed.seen) + found
    return scoring.score_captions(found, clip, tracks, followed.seen, followed.crops, cameras)


def describe_with_engine(
    captioner: Captioner,
    frames: Sequence[FrameRow],
    tracks: Sequence[TrackRow],
    seen: Mapping[int, Sequence[TrackObservation]],
) -> list[CaptionRow]:
    """What an engine says of the clip's middle frame and of each kept track's best view.

    Where it says nothing there is no row. Raises DatasetError `captions_mismatch`.
    """
    clip, name = frames[0].clip, f"{captioner.info.name}/{captioner.info.version}"
    kept = [track for track in tracks if track.kept]

    def views() -> Iterator[MaskedImage]:
        yield decode_image(frames[len(frames) // 2]), None
        for track in kept:
            best = next(item for item in seen[track.track] if item.frame == track.reference_frame)
            yield decode_image(frames[best.frame]), decode_mask(best.mask)

    told = zip([None, *(track.track for track in kept)], _said(captioner, views()), strict=True)
    return [
        CaptionRow(
            clip=clip,
            track=number,
            kind="engine",
            text=" ".join(text.split()),
            engine=name,
            score=None,
            kept=None,
        )
        for number, text in told
        if text.strip()
    ]


def _said(captioner: Captioner, views: Iterator[MaskedImage]) -> Iterator[str]:
    """What the engine says of each view, several at a time where it can."""
    if not isinstance(captioner, BatchCaptioner):
        for image, mask in views:
            yield captioner.describe(image) if mask is None else captioner.describe(image, mask)
        return
    while some := list(islice(views, VIEWS)):
        said = captioner.describe_all(some)
        if len(said) != len(some):
            raise DatasetError(
                "captions_mismatch", f"{captioner.info.name} says {len(said)} things of {len(some)} views"
            )
        yield from said


def decode_image(row: FrameRow) -> Rgb:
    """The pixels of a stored frame, RGB u8 (H, W, 3)."""
    with Image.open(io.BytesIO(row.jpeg)) as image:
        return np.asarray(image.convert("RGB"))
