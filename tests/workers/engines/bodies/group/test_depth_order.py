"""Who covers whom is nearer."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic_bodies import make_body
from workers.engines.bodies.estimates import scale_about_camera
from workers.engines.bodies.group.depth_order import order_by_masks
from workers.engines.protocols import BodyEstimate, Mask
from workers.geometry.mesh_renderer import silhouette


def draw_pair() -> tuple[BodyEstimate, BodyEstimate, Mask, Mask]:
    """One person and the same one beside it, as far away; the first covers the second."""
    first = make_body()
    move = np.array([0.15, 0.0, 0.0])
    second = replace(first, vertices=first.vertices + move, joints=first.joints + move)
    front, back = (silhouette(body.vertices, body.rig.faces, body.camera) for body in (first, second))
    return first, second, front, back & ~front


def depth(body: BodyEstimate) -> float:
    return float(np.median(body.vertices[:, 2]))


@pytest.mark.parametrize("held", [None, 0, 1])
def test_who_is_covered_is_behind(held: int | None) -> None:
    first, second, front, back = draw_pair()
    pair = [replace(body, grounded=True if k == held else None) for k, body in enumerate((first, second))]
    near, far = order_by_masks(pair, [front, back])
    assert depth(near) < depth(far) - 0.2
    moved = [near, far]
    for k, body in enumerate(moved):
        # the image stays the same, and whom the floor holds stays where it is
        np.testing.assert_allclose(
            body.camera.project(body.vertices), pair[k].camera.project(pair[k].vertices), atol=1e-6
        )
        if k == held:
            assert body is pair[k]


def test_people_in_order_or_apart_stay() -> None:
    first, second, front, back = draw_pair()
    nearer = scale_about_camera(first, 0.85)
    assert order_by_masks([nearer, second], [front, back])[0] is nearer
    empty = np.zeros_like(front)
    assert order_by_masks([first, second], [empty, empty]) == [first, second]
    assert order_by_masks([], []) == []


def test_nobody_becomes_a_giant() -> None:
    first, second, front, back = draw_pair()
    far = replace(scale_about_camera(first, 3.0), grounded=True)
    pair = [far, replace(second, grounded=None)]
    assert order_by_masks(pair, [front, back]) == pair
