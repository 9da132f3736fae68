"""All captions of a clip: composed ones, those of an engine that is plugged in, and how well they fit."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from workers.datasets.ports import Captioner
from workers.datasets.schema import CameraRow, CaptionRow, ClipRow, FrameRow, TrackRow
from workers.datasets.stages import alignment, captions
from workers.datasets.stages.follow import Followed, Seen
from workers.engines.protocols import Rgb
from workers.formats.rle import decode_mask


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

    Where it says nothing there is no row.
    """
    clip, name = frames[0].clip, f"{captioner.info.name}/{captioner.info.version}"
    told: list[tuple[int | None, str]] = [(None, captioner.describe(picture(frames[len(frames) // 2])))]
    for track in (track for track in tracks if track.kept):
        best = next(item for item in seen[track.track] if item.frame == track.reference_frame)
        told.append((track.track, captioner.describe(picture(frames[best.frame]), decode_mask(best.mask))))
    return [
        CaptionRow(clip, number, "engine", " ".join(text.split()), name, None, None)
        for number, text in told
        if text.strip()
    ]


def picture(row: FrameRow) -> Rgb:
    """The pixels of a stored frame, RGB u8 (H, W, 3)."""
    with Image.open(io.BytesIO(row.jpeg)) as image:
        return np.asarray(image.convert("RGB"))
