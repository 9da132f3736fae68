"""Pictures that a bodies engine must not be sure of: each gives an honest body with its flag, or none."""

from functools import lru_cache

import cv2
import numpy as np
import pytest
from maquette.contract import BodiesJob
from pydantic import ValidationError

from tests.support.mannequins import render_mannequin
from workers.engines.bodies.default import DefaultBodies
from workers.engines.protocols import BodyEstimate, Box, Gravity, SceneHints

WIDTH, HEIGHT = 480, 640


@lru_cache(maxsize=1)
def load_engine() -> DefaultBodies:
    return DefaultBodies(threads=1)


@lru_cache(maxsize=2)
def draw(seed: int) -> tuple[np.ndarray, np.ndarray, Box]:
    image, mask = render_mannequin(seed, 0.3)
    ys, xs = np.nonzero(mask)
    return image, mask, (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))


def recover(image: np.ndarray, *boxes: Box) -> list[BodyEstimate | None]:
    return load_engine().recover(np.ascontiguousarray(image), boxes)


def find_lean(body: BodyEstimate) -> float:
    """Degrees between the trunk and what is up in the image."""
    trunk = body.keypoints_3d[[11, 12]].mean(axis=0) - body.keypoints_3d[[23, 24]].mean(axis=0)
    return float(np.degrees(np.arccos(-trunk[1] / np.linalg.norm(trunk))))


def test_a_statue_is_a_body() -> None:
    image, _, box = draw(0)
    grey = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    (body,) = recover(grey, box)
    assert body is not None and find_lean(body) < 25 and body.grounded
    assert "several_people" not in body.flags and "not_upright" not in body.flags


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_is_not_upright_says_so(quarters: int) -> None:
    image, _, _ = draw(0)
    turned = np.rot90(image, quarters)
    (body,) = recover(turned, (0.0, 0.0, float(turned.shape[1]), float(turned.shape[0])))
    assert body is None or ("not_upright" in body.flags and not body.grounded and body.floor is None)


def test_two_people_in_one_box_are_flagged_and_in_two_are_not() -> None:
    image, _, box = draw(0)
    pair = np.hstack([image, draw(1)[0]])
    (body,) = recover(pair, (0.0, 0.0, 2.0 * WIDTH, float(HEIGHT)))
    assert body is not None and "several_people" in body.flags
    (body,) = recover(pair, box)
    assert body is not None and "several_people" not in body.flags


def test_a_mirror_shows_two_people() -> None:
    image, _, (x0, y0, x1, y1) = draw(0)
    bodies = recover(
        np.hstack([image, image[:, ::-1]]), (x0, y0, x1, y1), (2 * WIDTH - x1, y0, 2 * WIDTH - x0, y1)
    )
    first, second = bodies
    assert first is not None and second is not None
    assert first.floor == second.floor
    assert abs(first.keypoints_2d[0, 0] - second.keypoints_2d[0, 0]) > WIDTH / 2
    # the one's left is the other's right
    np.testing.assert_allclose(first.keypoints_2d[15, 0], 2 * WIDTH - second.keypoints_2d[16, 0], atol=12)


@pytest.mark.parametrize("part", ["hand", "head", "legs", "wall", "noise", "corner"])
def test_less_than_a_person_is_no_body(part: str) -> None:
    image, _, (x0, y0, _, y1) = draw(0)
    top = int(y0)
    rng = np.random.default_rng(0)
    pictures = {
        "hand": image[int(y1) - 260 : int(y1) - 190, int(x0) : int(x0) + 80],
        "head": image[: top + 100],
        "legs": image[top + 290 :],
        "wall": np.full((200, 200, 3), 127, np.uint8),
        "noise": rng.integers(0, 256, (200, 200, 3)).astype(np.uint8),
        "corner": image[:100, :120],
    }
    picture = pictures[part]
    (body,) = recover(picture, (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])))
    assert body is None or {"low_visibility", "truncated"} & set(body.flags)


@pytest.mark.parametrize(
    "box",
    [
        (200.0, 300.0, 210.0, 310.0),
        (300.0, 300.0, 100.0, 100.0),
        (5000.0, 5000.0, 6000.0, 6000.0),
        (float("nan"), 0.0, 10.0, 10.0),
        (0.0, 0.0, float("inf"), 100.0),
    ],
)
def test_boxes_that_hold_nobody_give_none(box: Box) -> None:
    assert recover(draw(0)[0], box) == [None]


@pytest.mark.parametrize(("pitch", "disagrees"), [(-60.0, True), (15.0, False), (65.0, True)])
def test_gravity_under_which_nobody_stands_is_flagged(pitch: float, disagrees: bool) -> None:
    image, mask, box = draw(0)
    down = (0.0, float(np.cos(np.radians(pitch))), float(np.sin(np.radians(pitch))))
    scene = SceneHints(gravity=Gravity(direction=down, source="exif"))
    (body,) = load_engine().recover_group(image, [box], [mask], scene=scene)
    assert body is not None and ("gravity_disagrees" in body.flags) == disagrees
    assert body.gravity is not None and body.gravity.direction == down


@pytest.mark.parametrize("kind", ["empty", "elsewhere"])
def test_a_mask_of_nobody_is_flagged_and_ignored(kind: str) -> None:
    image, mask, box = draw(0)
    wrong = np.zeros_like(mask)
    wrong[:40, :40] = kind == "elsewhere"
    (body,) = load_engine().recover(image, [box], [wrong])
    assert body is not None and "mask_disagrees" in body.flags
    assert find_lean(body) < 25


@pytest.mark.parametrize("size", [(4000, 60), (40, 3000), (20, 26)])
def test_pictures_too_narrow_or_too_small_for_a_person_give_none(size: tuple[int, int]) -> None:
    picture = cv2.resize(draw(0)[0], size, interpolation=cv2.INTER_AREA)
    assert recover(picture, (0.0, 0.0, float(size[0]), float(size[1]))) == [None]


@pytest.mark.parametrize("height", [0.3, 2.6])
def test_extreme_heights_give_bodies_of_that_height(height: float) -> None:
    image, mask, box = draw(0)
    (body,) = load_engine().recover_group(image, [box], [mask], scene=SceneHints(heights=(height,)))
    assert body is not None and np.isfinite(body.vertices).all()
    assert body.parameters["stature_m"] == [pytest.approx(height)]
    assert np.ptp(body.vertices[:, 1]) == pytest.approx(height, rel=0.15)


@pytest.mark.parametrize("height", [0.0, -1.7, 0.2, 3.0, 170.0, float("nan"), float("inf")])
def test_absurd_heights_are_refused(height: float) -> None:
    with pytest.raises(ValidationError):
        BodiesJob.model_validate({"image": {"id": "0" * 64}, "height_m": height})
