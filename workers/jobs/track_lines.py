"""The masks of a track job read back, frame by frame."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maquette.contract import Artefact

from workers.engines.protocols import Box, Mask
from workers.formats import rle
from workers.jobs.context import JobContext


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What a track job found in one frame: track id, box and mask (H, W) of each object."""

    frame: int
    pts: int
    people: list[tuple[int, Box, Mask]]


def lines_of(context: JobContext, artefacts: Sequence[Artefact]) -> Iterator[Line]:
    """Every frame of a track job in order, one chunk in memory at a time."""
    for artefact in artefacts:
        if artefact.role != "masks":
            continue
        for text in context.stored(artefact.sha256).decode().splitlines():
            row = json.loads(text)
            objects = [
                (int(item["id"]), _box(item["box"]), rle.decode_mask(item["mask"])) for item in row["objects"]
            ]
            yield Line(row["frame"], row["pts"], objects)


def _box(values: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
