"""All captions of a clip: composed ones, those of an engine that is plugged in, and how well they fit."""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from workers.datasets.errors import DatasetError
from workers.datasets.ports import Captioner, ManyCaptioner, View
from workers.datasets.schema import CameraRow, CaptionRow, ClipRow, FrameRow, TrackRow
from workers.datasets.stages import alignment, captions
from workers.datasets.stages.follow import Followed, Seen
from workers.engines.protocols import Rgb
from workers.formats.rle import decode_mask

VIEWS = 16


def told(
    captioner: Captioner | None,
    clip: ClipRow,
    followed: Followed,
    tracks: Sequence[TrackRow],
    cameras: Sequence[CameraRow],
) -> list[CaptionRow]:
    """Captions of the clip and of its kept tracks, with their scores; an engine's stand first."""
    found = captions.captions(clip, tracks, followed.seen, followed.crops)
    if captioner is not None:
        # readers who want one caption take the first
        found = described(captioner, followed.frames, tracks, followed.seen) + found
    return alignment.judged(found, clip, tracks, followed.seen, followed.crops, cameras)


def described(
    captioner: Captioner,
    frames: Sequence[FrameRow],
    tracks: Sequence[TrackRow],
    seen: Mapping[int, Sequence[Seen]],
) -> list[CaptionRow]:
    """What an engine says of the clip's middle frame and of each kept track's best view.

    Where it says nothing there is no row. Raises DatasetError `captions_mismatch`.
    """
    clip, name = frames[0].clip, f"{captioner.info.name}/{captioner.info.version}"
    kept = [track for track in tracks if track.kept]

    def views() -> Iterator[View]:
        yield picture(frames[len(frames) // 2]), None
        for track in kept:
            best = next(item for item in seen[track.track] if item.frame == track.reference_frame)
            yield picture(frames[best.frame]), decode_mask(best.mask)

    told = zip([None, *(track.track for track in kept)], _said(captioner, views()), strict=True)
    return [
        CaptionRow(clip, number, "engine", " ".join(text.split()), name, None, None)
        for number, text in told
        if text.strip()
    ]


def _said(captioner: Captioner, views: Iterator[View]) -> Iterator[str]:
    """What the engine says of each view, several at a time where it can."""
    if not isinstance(captioner, ManyCaptioner):
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


def picture(row: FrameRow) -> Rgb:
    """The pixels of a stored frame, RGB u8 (H, W, 3)."""
    with Image.open(io.BytesIO(row.jpeg)) as image:
        return np.asarray(image.convert("RGB"))
