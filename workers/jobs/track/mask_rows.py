"""The format of `masks` artefacts: JSON Lines, one row per frame with every object's mask as COCO RLE.

Artefacts hold consecutive frames in ascending order. Readers keep one artefact in memory at a time.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from maquette.contract import Artefact

from workers.engines.protocols import Box, FrameResult, Mask
from workers.formats import rle
from workers.jobs.context import JobContext

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class TrackedMask:
    """One object in one frame; its mask is decoded when it is first used."""

    id: int
    box: Box
    rle: rle.Rle

    @cached_property
    def mask(self) -> Mask:
        """Bool of shape (H, W)."""
        return rle.decode_mask(self.rle)


@dataclass(frozen=True, slots=True, eq=False)
class FrameMasks:
    """The tracked objects of one frame; `pts` is in units of the video's time base."""

    frame: int
    pts: int
    objects: list[TrackedMask]


def to_row(result: FrameResult) -> Row:
    """A frame's row; boxes are rounded to 0.001 pixels, scores to five decimals."""
    objects = [
        {
            "id": item.id,
            "label": item.label,
            "prompt": item.prompt,
            "box": [round(value, 3) for value in item.box],
            "score": round(item.score, 5),
            "mask": rle.encode_mask(item.mask),
            "flags": list(item.flags),
        }
        for item in result.objects
    ]
    return {"frame": result.index, "pts": result.pts, "objects": objects}


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()


def decode_rows(data: bytes) -> list[Row]:
    """Rows of JSON Lines."""
    return [json.loads(line) for line in data.decode().splitlines()]


def read_frames(context: JobContext, artefacts: Sequence[Artefact]) -> Iterator[FrameMasks]:
    """Every frame of a track job's artefacts, in ascending order."""
    for chunk in read_chunks(context, artefacts):
        yield from chunk


def read_chunks(context: JobContext, artefacts: Sequence[Artefact]) -> Iterator[list[FrameMasks]]:
    """The frames of one `masks` artefact after the other."""
    for artefact in artefacts:
        if artefact.role == "masks":
            yield [_parse_row(row) for row in decode_rows(context.get(artefact.sha256))]


def _parse_row(row: Row) -> FrameMasks:
    objects = [TrackedMask(int(item["id"]), _parse_box(item["box"]), item["mask"]) for item in row["objects"]]
    return FrameMasks(row["frame"], row["pts"], objects)


def _parse_box(values: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
