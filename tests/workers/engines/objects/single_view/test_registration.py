"""Depth moves a shape that an outline explains, keeps the outline, finds hollows, and contradicts others."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view import cuboid
from workers.engines.objects.single_view.cuboid import SIGNS, Cuboid, measure_cuboid
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.measured_solid import build_measured_solid
from workers.engines.objects.single_view.registration import register, scale_with_depth
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

CAMERA = Camera.with_field_of_view(128, 128, 45)
TURN = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("yx", [35, 30], degrees=True).as_matrix()
SIDES = np.array([0.8, 0.5, 0.6])


def draw_box(distance=2.2):
    return Cuboid((SIGNS * SIDES) @ TURN.T + [0.1, 0, distance], 1.0).mesh()


VERTICES, FACES = draw_box()
TRUE = rasterize(VERTICES, FACES, CAMERA).depth
MASK = np.isfinite(TRUE)


def see(depth):
    return MaskView.from_mask(MASK, CAMERA, depth.astype(np.float32))


def bend(vertices, stretch=1.0, slope=0.0):
    """The same outline at about z = 1: deeper, and turned."""
    x, z = vertices[:, 0] / vertices[:, 2], vertices[:, 2] / 2.2
    inverse = 1 + (1 / z - 1) * stretch + slope * x
    return vertices / (vertices[:, 2] * inverse)[:, None]


@pytest.mark.parametrize(("stretch", "slope"), [(1.0, 0.0), (1.15, 0.0), (0.9, 0.05), (1.0, -0.15)])
def test_a_shape_is_moved_to_where_it_was_measured_and_keeps_its_outline(stretch, slope):
    start = bend(VERTICES, stretch, slope)
    registered = register(start, FACES, see(TRUE))
    assert registered.agreeing > 0.95
    assert cKDTree(VERTICES).query(registered.vertices)[0].max() < 0.04
    np.testing.assert_allclose(CAMERA.project(registered.vertices), CAMERA.project(start), atol=1e-6)


def test_holes_noise_and_outliers_do_not_move_it():
    rng = np.random.default_rng(0)
    noisy = TRUE + rng.normal(0, 0.005, TRUE.shape)
    noisy[rng.random(TRUE.shape) < 0.3] = np.nan
    noisy[:40] += np.where(rng.random((40, 128)) < 0.2, 0.6, 0)
    registered = register(bend(VERTICES), FACES, see(noisy))
    assert cKDTree(VERTICES).query(registered.vertices)[0].max() < 0.04


def test_an_open_box_keeps_its_outside_and_becomes_hollow():
    middle = np.hypot(*(np.mgrid[:128, :128] - np.argwhere(MASK).mean(axis=0)[:, None, None])) < 22
    view = see(np.where(middle, TRUE + 0.25, TRUE))
    registered = register(bend(VERTICES), FACES, view)
    assert registered.is_confirmed
    assert cKDTree(VERTICES).query(registered.vertices)[0].max() < 0.04
    surface = build_measured_solid(registered.vertices, FACES, np.eye(3), view)
    drawn = rasterize(surface.vertices, surface.faces, CAMERA).depth
    inner = middle & MASK
    assert np.median(drawn[inner] - TRUE[inner]) == pytest.approx(0.25, abs=0.02)
    assert surface.vertices[:, 2].max() == pytest.approx(VERTICES[:, 2].max(), abs=0.05)


def test_what_lies_before_the_shape_contradicts_it():
    bulge = np.hypot(*(np.mgrid[:128, :128] - np.argwhere(MASK).mean(axis=0)[:, None, None])) / 30
    registered = register(bend(VERTICES), FACES, see(TRUE - 0.5 * np.maximum(1 - bulge, 0)))
    assert registered.agreeing < 0.7
    assert not registered.is_confirmed


def test_a_shape_alone_is_scaled_to_most_of_what_was_measured():
    outliers = np.where(np.arange(128) < 55, TRUE - 0.4, TRUE)
    scaled = scale_with_depth(VERTICES / 2.2, FACES, see(outliers))
    np.testing.assert_allclose(scaled.vertices, VERTICES, rtol=0.005)
    assert 0.5 < scaled.agreeing < 0.9


@pytest.mark.parametrize(("degrees", "kept"), [(25, True), (0, False)])
def test_the_box_of_the_outline_stays_where_depth_agrees_less_with_the_refined_one(
    monkeypatch, degrees, kept
):
    turned = TURN @ Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    refined = Cuboid((SIGNS * SIDES) @ turned.T + [0.1, 0, 2.2], 1.0)
    monkeypatch.setattr(cuboid, "refine_cuboid", lambda *_: refined)
    outline = Cuboid(((SIGNS * SIDES) @ TURN.T + [0.1, 0, 2.2]) / 2.2, 1.0)
    axes, measured = measure_cuboid(outline, see(TRUE))
    np.testing.assert_allclose(axes, outline.axes() if kept else refined.axes(), atol=1e-9)
    np.testing.assert_allclose(measured.vertices, VERTICES, rtol=0.005)


def test_a_crate_is_as_large_as_its_frame_although_most_of_its_boards_lie_behind(monkeypatch):
    recess = np.where(np.arange(128) % 20 < 9, 0.0, np.random.default_rng(0).uniform(0.02, 0.06, TRUE.shape))
    view = see(TRUE + recess)
    outline = Cuboid(((SIGNS * SIDES) @ TURN.T + [0.1, 0, 2.2]) / 2.2, 1.0)
    assert scale_with_depth(*outline.mesh(), view).agreeing > 0.95
    frame = Cuboid((SIGNS * SIDES) @ TURN.T + [0.1, 0, 2.2], 1.0)
    monkeypatch.setattr(cuboid, "refine_cuboid", lambda *_: frame)
    _, measured = measure_cuboid(outline, view)
    np.testing.assert_allclose(measured.vertices, VERTICES)


def test_a_map_that_says_too_little_registers_nothing():
    assert register(bend(VERTICES), FACES, see(np.full(TRUE.shape, np.nan))) is None
