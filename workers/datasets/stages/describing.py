"""Captions by an engine that is plugged in: one of the clip's middle frame, one of each track's best view."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from workers.datasets.ports import Captioner
from workers.datasets.schema import CaptionRow, FrameRow, TrackRow
from workers.datasets.stages.follow import Seen
from workers.engines.protocols import Rgb
from workers.formats.rle import decode_mask


def described(
    captioner: Captioner,
    frames: Sequence[FrameRow],
    tracks: Sequence[TrackRow],
    seen: Mapping[int, Sequence[Seen]],
) -> list[CaptionRow]:
    """What the engine says of the clip and of each kept track; where it says nothing there is no row."""
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
