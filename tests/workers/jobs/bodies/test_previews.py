"""Previews of bodies: what is drawn where, at which scale, with and without a floor. Boxes are the bodies."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.synthetic_bodies import make_body
from workers.engines.protocols import FloorPlane, Gravity
from workers.geometry import mesh_renderer
from workers.geometry.cameras import Camera
from workers.jobs.bodies import previews
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.previews import (
    BACKGROUND,
    SHADOW,
    PosedBody,
    TurnedViews,
    draw_bodies,
    list_grid,
    render_body_panels,
)

CAMERA = Camera(320, 240, 300.0, 300.0, 160.0, 120.0)
LEVEL = np.array([0.0, -1.0, 0.0])
FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)


def make_box(x: float, bottom: float, z: float, color: int = 0, height: float = 1.7) -> PosedBody:
    """A box 0.4 m wide whose lowest points are at y = `bottom` (down)."""
    unit = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    corners = (unit - [0.5, 1.0, 0.5]) * [0.4, height, 0.4] + [x, bottom, z]
    return PosedBody(corners, FACES, CAMERA, color)


def find_colored(picture: np.ndarray) -> np.ndarray:
    """Pixels of bodies: text, lines, shadows and background are grey."""
    return np.ptp(picture.astype(int), axis=2) > 40


def render(bodies: list[PosedBody], ground: Ground | None) -> tuple[np.ndarray, np.ndarray, float]:
    views = TurnedViews(np.concatenate([body.vertices for body in bodies]), ground, (240, 320))
    return *views.render(bodies), views.scale


def test_both_views_have_one_scale_in_metres() -> None:
    side, above, scale = render([make_box(0.0, 1.0, 5.0)], Ground(LEVEL, -1.0))
    rows, columns = np.nonzero(find_colored(above))
    assert np.ptp(columns) + 1 == pytest.approx(0.4 * scale, abs=1.5)
    assert np.ptp(rows) + 1 == pytest.approx(0.4 * scale, abs=1.5)
    rows, columns = np.nonzero(find_colored(side))
    assert np.ptp(columns) + 1 == pytest.approx(0.4 * scale, abs=1.5)
    assert 1.7 * scale * 0.97 < np.ptp(rows) + 1 < 1.8 * scale


@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_the_shadow_shows_who_floats(lift: float) -> None:
    side, _, scale = render([make_box(0.0, 1.0 - lift, 5.0)], Ground(LEVEL, -1.0))
    shadow, body = (side == SHADOW).all(axis=2), find_colored(side)
    # the edges of letters may have the shadow's grey, but none stand under the body
    shadow &= body.any(axis=0)
    gap = (np.nonzero(shadow)[0].max() - np.nonzero(body)[0].max()) / scale if shadow.any() else 0.0
    assert gap == pytest.approx(lift, abs=0.05)


def test_a_shadow_has_no_holes_where_parts_lie_over_each_other() -> None:
    # top and bottom of the box cast the same shadow
    side, _, _ = render([make_box(0.0, 0.2, 5.0, height=0.1)], Ground(LEVEL, -1.0))
    # without the texts, whose edges are grey, too
    rows, columns = np.nonzero((side[100:, 100:] == SHADOW).all(axis=2))
    # the floor's lines cross it: 0.78 of the area about it
    assert len(rows) > 0.6 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_nearer_people_are_to_the_left_from_the_side_and_below_from_above() -> None:
    near, far = make_box(-0.5, 1.0, 4.0, 0), make_box(0.5, 1.0, 7.0, 1)
    for ground in (None, Ground(LEVEL, -1.0)):
        side, above, _ = render([near, far], ground)
        red = [find_colored(view) & (view[..., 0] > view[..., 2]) for view in (side, above)]
        blue = [find_colored(view) & (view[..., 2] > view[..., 0]) for view in (side, above)]
        assert np.nonzero(red[0])[1].mean() < np.nonzero(blue[0])[1].mean()
        assert np.nonzero(red[1])[0].mean() > np.nonzero(blue[1])[0].mean()
        assert np.nonzero(red[1])[1].mean() < np.nonzero(blue[1])[1].mean()


@pytest.mark.parametrize("up", [(0, -1, 0), (0, 1, 0), (0.3, -0.9, 0.2), (0, 0, -1), (0, 0, 1), (1, 0, 0)])
def test_axes_follow_gravity_however_the_camera_is_held(up: tuple[float, float, float]) -> None:
    unit = np.array(up, dtype=np.float64) / np.linalg.norm(up)
    axes = Ground(unit).axes()
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1.0)
    assert np.allclose(axes[1], -unit)


def test_the_floor_is_drawn_where_it_is_and_only_if_it_is_known() -> None:
    body, canvas = make_box(0.0, 1.0, 5.0), np.zeros((240, 320, 3), np.uint8)
    plain = draw_bodies(canvas.copy(), [body])
    floored = draw_bodies(canvas.copy(), [body], Ground(LEVEL, -1.0))
    added = np.nonzero((plain != floored).any(axis=2))
    # the floor lies 1 m below the camera, so all of it is below the horizon
    assert len(added[0]) > 50 and added[0].min() > 120
    side, _, _ = render([body], None)
    assert (np.median(side.reshape(-1, 3), axis=0) == BACKGROUND).all()


def test_cells_are_a_metre_and_lie_on_the_floor() -> None:
    tilted = np.array([0.1, -0.95, -0.2]) / np.linalg.norm([0.1, -0.95, -0.2])
    grid = list_grid(make_box(0.3, 1.0, 5.0).vertices, Ground(tilted, -1.2), -1.2)
    assert np.allclose(np.linalg.norm(grid[:, 0] - grid[:, 1], axis=1), 1.0)
    assert np.allclose(grid @ tilted, -1.2)


def test_a_body_far_off_does_not_draw_millions_of_cells() -> None:
    bodies = [make_box(0.0, 1.0, 5.0), make_box(0.0, 1.0, 4000.0)]
    grid = list_grid(np.concatenate([body.vertices for body in bodies]), Ground(LEVEL, -1.0), -1.0)
    assert len(grid) < 10_000


def test_eight_people_are_all_seen_from_above() -> None:
    bodies = [make_box(0.7 * k - 2.5, 1.0, 5.0 + 0.3 * k, k) for k in range(8)]
    _, above, scale = render(bodies, Ground(LEVEL, -1.0))
    assert find_colored(above).sum() == pytest.approx(8 * (0.4 * scale) ** 2, rel=0.1)


def test_the_ground_is_that_of_the_bodies() -> None:
    body = make_body()
    assert Ground.under([body]) is None
    gravity = Gravity(direction=(0.0, 0.8, 0.6), source="given")
    ground = Ground.under([replace(body, gravity=gravity)])
    assert ground is not None and ground.height is None and np.allclose(ground.up, [0.0, -0.8, -0.6])
    floor = FloorPlane(normal=(0.0, -1.0, 0.0), offset=1.5, feet=2, people=1)
    ground = Ground.under([body, replace(body, floor=floor)])
    assert ground is not None and floor.height(ground.height * ground.up) == pytest.approx(0.0)


def test_a_body_without_a_form_is_drawn_with_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces between any of its vertices are as wide as the body: thousands lie over each pixel."""
    body, panels = make_body(), 3
    faces = np.random.default_rng(0).integers(0, len(body.vertices), body.rig.faces.shape)
    broken = replace(body, rig=replace(body.rig, faces=faces))
    done, fill = [], mesh_renderer._barycentric

    def count(*arguments: Any) -> Any:
        done.append(len(arguments[-1]))
        return fill(*arguments)

    monkeypatch.setattr(mesh_renderer, "_barycentric", count)
    monkeypatch.setattr(previews, "MOST_CANDIDATES", 300_000)
    drawn = render_body_panels(np.full((480, 640, 3), 128, np.uint8), [broken])
    assert 0 < sum(done) <= panels * 300_000
    # every panel shows it all the same
    rows, columns = drawn.shape[0] // 2, drawn.shape[1] // 2
    for top, left in ((0, columns), (rows, 0), (rows, columns)):
        assert find_colored(drawn[top : top + rows, left : left + columns]).mean() > 0.02
