"""Upstream's answer, checked against its recorded names and shapes, person by person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.sam3d.errors import Sam3dBodyContract
from workers.engines.bodies.sam3d.recorded import SHAPES

Floats = NDArray[np.float64]
# Two boxes are the same when no corner is further off; upstream keeps them in float32.
SAME_BOX = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamPerson:
    """One person in upstream's answer, float64; fields come in the order of SHAPES and have its shapes."""

    box: Floats
    keypoints_3d: Floats
    keypoints_2d: Floats
    vertices: Floats
    translation: Floats
    hands: Floats
    scales: Floats
    shape: Floats
    expression: Floats
    joints: Floats
    rotations: Floats
    parameters: Floats
    focal: Floats

    def is_finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(np.isfinite(getattr(self, field.name)).all()) for field in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamAnswer:
    """People in upstream's order, and the intrinsics (3, 3) that it was given.

    `outside` says of each person whether upstream cannot see one of the key points that were given.
    """

    people: list[UpstreamPerson]
    intrinsics: Floats
    outside: NDArray[np.bool_]

    def split(self, counts: Sequence[int]) -> "list[UpstreamAnswer]":
        """The answers of several images, by how many people each has."""
        ends = np.cumsum(counts)
        return [
            UpstreamAnswer(self.people[end - count : end], self.intrinsics, self.outside[end - count : end])
            for end, count in zip(ends, counts, strict=True)
        ]


def read_people(arrays: Mapping[str, NDArray[Any]]) -> list[UpstreamPerson]:
    """The people of an answer, in upstream's order; raises Sam3dBodyContract for missing names or shapes."""
    missing = [name for name in SHAPES if name not in arrays]
    if missing:
        raise Sam3dBodyContract(f"upstream gave no {', '.join(missing)}")
    count = len(arrays["bbox"])
    for name, tail in SHAPES.items():
        if arrays[name].shape != (count, *tail) or arrays[name].dtype.kind != "f":
            actual = f"{arrays[name].dtype} {arrays[name].shape}"
            raise Sam3dBodyContract(f"upstream gave {name} as {actual}, not floats {(count, *tail)}")
    columns = [arrays[name].astype(np.float64) for name in SHAPES]
    return [UpstreamPerson(*(np.asarray(column[i]) for column in columns)) for i in range(count)]


def assign(people: list[UpstreamPerson], boxes: Floats) -> list[UpstreamPerson | None]:
    """The person of each box (N, 4), None where upstream left it out; its order need not be ours.

    Raises Sam3dBodyContract for a person of a box that was not requested, or two of one.
    """
    out: list[UpstreamPerson | None] = [None] * len(boxes)
    for person in people:
        off = np.abs(boxes - person.box).max(axis=1)
        free = [int(i) for i in np.flatnonzero(off <= SAME_BOX) if out[i] is None]
        if not free:
            raise Sam3dBodyContract(
                f"upstream gave a person for {person.box.tolist()}, a box that was not requested"
            )
        out[min(free, key=lambda i: off[i])] = person
    return out
