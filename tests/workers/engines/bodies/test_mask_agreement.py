"""Masks of somebody else, of a thing in front, and of what it leaves of a person are distinguished."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engines.bodies.mask_agreement import judge_mask
from workers.engines.bodies.observations import observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.skeleton import load_skeleton
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

CAMERA = Camera(240, 320, 400.0, 400.0, 120.0, 160.0)
LEGS = range(25, 33)
PLACE = np.array([0.0, -0.1, 2.7])


def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of the body at rest (y up) before the camera."""
    return points * (1.0, -1.0, -1.0) + PLACE


def judge(keep: NDArray[np.bool_], unsure: Sequence[int], *, is_thing: bool = False) -> str:
    """The verdict on the part `keep` of the true mask, or on `keep` itself where it is a thing's."""
    model = load_skeleton().model
    vertices, landmarks = place(model.base.vertices), place(model.base.landmarks)
    pixels = CAMERA.project(landmarks)
    body = rasterize(vertices, model.faces, CAMERA).face >= 0
    confidence = np.full(33, 0.95)
    confidence[list(unsure)] = 0.6
    x, y = pixels.T
    person = PersonObservation(
        landmarks=observe(pixels, confidence, landmarks - landmarks[[23, 24]].mean(axis=0), CAMERA),
        box=(float(x.min()), float(y.min()), float(x.max()), float(y.max())),
        mask=keep if is_thing else body & keep,
        score=0.95,
    )
    return judge_mask(person, CAMERA.project(vertices))


def draw_box(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros((CAMERA.height, CAMERA.width), dtype=np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


EVERYTHING = draw_box(0, 0, 240, 320)


@pytest.mark.parametrize(
    ("hides", "unsure", "verdict"),
    [
        (draw_box(0, 0, 0, 0), range(0), "whole"),
        (draw_box(110, 100, 130, 120), range(0), "whole"),
        (draw_box(60, 170, 180, 320), LEGS, "hidden"),
        (draw_box(0, 85, 240, 320), range(13, 33), "hidden"),
        (draw_box(0, 0, 240, 155), range(25), "hidden"),
        (draw_box(0, 0, 140, 320), [*range(2, 33, 2), 23], "hidden"),
    ],
    ids=["nothing", "badge", "chair", "desk", "curtain above", "door"],
)
def test_what_something_in_front_leaves_is_no_other_mask(
    hides: NDArray[np.bool_], unsure: Sequence[int], verdict: str
) -> None:
    assert judge(~hides, unsure) == verdict


@pytest.mark.parametrize(
    ("mask", "unsure"),
    [
        (draw_box(0, 0, 0, 0), range(0)),
        (draw_box(0, 0, 30, 40), range(0)),
        (draw_box(70, 170, 170, 320), LEGS),
        (draw_box(100, 85, 135, 125), range(0)),
        (draw_box(150, 0, 240, 320), range(0)),
        (EVERYTHING & ~draw_box(30, 10, 210, 300), range(0)),
    ],
    ids=["empty", "corner", "chair", "bag", "neighbour", "background"],
)
def test_masks_of_something_else_disagree(mask: NDArray[np.bool_], unsure: Sequence[int]) -> None:
    assert judge(mask, unsure, is_thing=True) == "none"
