"""The boxes, points and masks of a request, and whether they fit the image they refer to."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from maquette.contract.geometry import Box, Point, Rle
from maquette.contract.prompts import ObjectPrompt


class Region(NamedTuple):
    """A part of the image that a request names, and the field that names it."""

    field: str
    shape: Box | Sequence[Point] | Rle


class Misfit(NamedTuple):
    """Why a region does not fit an image, or a prompt no object: a problem's code and detail."""

    code: str
    detail: str


def report_no_object(field: str, why: str = "") -> Misfit:
    """Return the misfit of a prompt that can start no object, in the field of that name."""
    return Misfit(
        "prompt_without_object",
        f"{field} has only points off the object (label 0){why}: add a box, a mask or a point on it",
    )


def list_regions(field: str, shapes: Iterable[Box | Sequence[Point] | Rle]) -> Iterator[Region]:
    """Yield the shapes of a list field, each under its own name."""
    for index, shape in enumerate(shapes):
        yield Region(f"{field}[{index}]", shape)


def list_prompt_regions(field: str, prompts: Iterable[ObjectPrompt]) -> Iterator[Region]:
    """Yield the box, the points and the mask of each prompt of a list field."""
    for index, prompt in enumerate(prompts):
        name = f"{field}[{index}]"
        if prompt.box is not None:
            yield Region(f"{name}.box", prompt.box)
        yield Region(f"{name}.points", prompt.points)
        if prompt.mask is not None:
            yield Region(f"{name}.mask", prompt.mask)


def find_misfit(regions: Iterable[Region], width: int, height: int) -> Misfit | None:
    """Return the first region that lies outside an image of that size, or is a mask of another size."""
    for field, shape in regions:
        if isinstance(shape, Rle):
            if shape.size != (height, width):
                return Misfit(
                    "mask_size_mismatch",
                    f"{field} is {shape.size[0]} x {shape.size[1]} (height x width); the image is "
                    f"{height} x {width}: resize the mask to the image",
                )
        elif any(part.is_outside(width, height) for part in ([shape] if isinstance(shape, Box) else shape)):
            return Misfit(
                "prompt_outside_image",
                f"{field} lies outside the {width} x {height} image: prompts are xy pixels of the full image",
            )
    return None
