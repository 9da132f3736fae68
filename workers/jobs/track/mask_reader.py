"""The masks of a track job read back, frame by frame."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from maquette.contract import Artefact

from workers.engines.protocols import Box, Mask
from workers.formats import rle
from workers.jobs.context import JobContext


@dataclass(frozen=True, eq=False)
class TrackedMask:
    """One object in one frame; its mask (H, W) is decoded when it is asked for."""

    id: int
    box: Box
    rle: rle.Rle

    @cached_property
    def mask(self) -> Mask:
        """Bool of shape (H, W)."""
        return rle.decode_mask(self.rle)


@dataclass(frozen=True, slots=True, eq=False)
class FrameMasks:
    """What a track job found in one frame."""

    frame: int
    pts: int
    objects: list[TrackedMask]


def read_frames(context: JobContext, artefacts: Sequence[Artefact]) -> Iterator[FrameMasks]:
    """Every frame of a track job in order, one chunk in memory at a time."""
    for lines in read_chunks(context, artefacts):
        yield from lines


def read_chunks(context: JobContext, artefacts: Sequence[Artefact]) -> Iterator[list[FrameMasks]]:
    """The same, a `masks` artefact at a time."""
    for artefact in artefacts:
        if artefact.role == "masks":
            rows = context.get(artefact.sha256).decode().splitlines()
            yield [_line(json.loads(row)) for row in rows]


def _line(row: dict[str, Any]) -> FrameMasks:
    objects = [TrackedMask(int(item["id"]), _box(item["box"]), item["mask"]) for item in row["objects"]]
    return FrameMasks(row["frame"], row["pts"], objects)


def _box(values: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
