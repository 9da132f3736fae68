"""Depth of every quality: what is wrong with a map never makes a shape worse than its outline alone."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view.cuboid import SIGNS, Cuboid
from workers.engines.objects.single_view.depth_edges import find_own_depth
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.reconstruction import explain_view
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, silhouette
from workers.geometry.overlap import mask_iou

SIDE, DISTANCE = 96, 2.2
CAMERA = Camera.with_field_of_view(SIDE, SIDE, 45)
TURN = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("yx", [35, 30], degrees=True).as_matrix()
SIDES = np.array([0.8, 0.5, 0.6])
BOX = Cuboid((SIGNS * SIDES) @ TURN.T + [0.1, 0, DISTANCE], 1.0).mesh()
SEEN = rasterize(*BOX, CAMERA)
MASK = SEEN.face >= 0
TRUE = np.where(MASK, SEEN.depth, np.nan)
GREY = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
SIZE = 0.9
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5


def add_noise(deviation):
    return TRUE + np.random.default_rng(0).normal(0, deviation * SIZE, TRUE.shape)


def make_holes(share):
    return np.where(np.random.default_rng(1).random(TRUE.shape) < share, np.nan, TRUE)


def mix_rim_with_wall():
    """A sensor's map of the whole scene: a wall behind, and pixels at the rim between both."""
    scene = np.where(MASK, TRUE, 4.0)
    padded = np.pad(scene, 1, mode="edge")
    return sum(padded[i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3)) / 9


EXACT = {
    "noise of 1%": add_noise(0.01),
    "half of it missing": make_holes(0.5),
    "mixed with a wall": mix_rim_with_wall(),
    "outliers": np.where(np.random.default_rng(2).random(TRUE.shape) < 0.15, 3.5, TRUE),
    "millimetres": TRUE * 1000,
}
SHAPELESS = {
    "a wall behind": np.full(TRUE.shape, 5.0),
    "noise alone": np.random.default_rng(3).uniform(1.0, 3.4, TRUE.shape),
}


def reconstruct(depth, mask=MASK):
    view = MaskView.from_mask(mask, CAMERA, None if depth is None else depth.astype(np.float32), GREY)
    return explain_view(view, LabelPrior.from_label(None))[1]


def measure_shape_error(surface):
    """Mean distance to the box, with the scale that fits, in its longest side."""
    points = surface.vertices * (DISTANCE / np.median(surface.vertices[:, 2]))
    scales = np.linspace(0.88, 1.12, 13)
    tree = cKDTree(trimesh.Trimesh(*BOX).sample(3000, seed=0))
    return min(float(tree.query(points * scale)[0].mean()) for scale in scales) / 0.8


OUTLINE_ALONE = reconstruct(None)


@pytest.mark.parametrize("kind", EXACT)
def test_depth_of_a_real_sensor_places_the_object_and_keeps_its_shape(kind):
    surface = reconstruct(EXACT[kind])
    unit = 1000 if kind == "millimetres" else 1
    assert surface.is_metric
    assert np.median(surface.vertices[:, 2]) == pytest.approx(unit * DISTANCE, rel=0.03)
    assert measure_shape_error(surface) < measure_shape_error(OUTLINE_ALONE) + 0.01
    assert mask_iou(silhouette(surface.vertices, surface.faces, CAMERA), MASK) > 0.96


@pytest.mark.parametrize("kind", SHAPELESS)
def test_depth_without_shape_moves_the_object_and_no_more(kind):
    surface = reconstruct(SHAPELESS[kind])
    assert surface.is_metric
    assert measure_shape_error(surface) == pytest.approx(measure_shape_error(OUTLINE_ALONE), abs=1e-6)


def test_a_map_of_few_values_changes_nothing():
    surface = reconstruct(np.where((X < 50) & (Y < 40) & (X + Y > 88), TRUE, np.nan))
    assert not surface.is_metric
    np.testing.assert_array_equal(surface.vertices, OUTLINE_ALONE.vertices)


STRIP = np.zeros((40, 40), dtype=np.bool_)
STRIP[5:35, 18:20] = True


def test_a_thin_thing_consists_of_edges_that_are_believed():
    depth = np.where(STRIP, 2.0, np.nan).astype(np.float32)
    assert (find_own_depth(depth, STRIP, CAMERA) == STRIP).all()


def test_pixels_between_object_and_background_are_not_believed():
    square = np.zeros((40, 40), dtype=np.bool_)
    square[10:30, 10:30] = True
    depth = np.where(square, np.float32(1.0), np.float32(3.0))
    depth[:, 10] = np.random.default_rng(0).uniform(1.3, 2.7, 40)
    own = find_own_depth(depth, square, CAMERA)
    assert not own[:, 10].any() and own[12:28, 12:28].all()


def test_the_background_in_a_mask_that_is_too_wide_is_not_believed():
    depth = np.full((40, 40), 3.0, dtype=np.float32)
    depth[12:28, 12:28] = 2.0
    wide = np.zeros((40, 40), dtype=np.bool_)
    wide[11:29, 11:29] = True
    own = find_own_depth(depth, wide, CAMERA)
    assert not own[11].any() and not own[:, 28].any() and own[13:27, 13:27].all()


@pytest.mark.parametrize(
    ("depth", "least", "most"),
    [
        (TRUE, 0.0, 1e-3),
        (add_noise(0.02), 0.015, 0.025),
        (np.round(TRUE / 0.045) * 0.045, 0.01, 0.02),
        (SHAPELESS["noise alone"], 0.2, np.inf),
        (SHAPELESS["a wall behind"], np.inf, np.inf),
        (np.full_like(TRUE, np.nan), np.inf, np.inf),
    ],
)
def test_noise_is_measured_in_sizes_of_the_object(depth, least, most):
    noise = MaskView.from_mask(MASK, CAMERA, depth.astype(np.float32)).depth_noise
    assert least <= noise <= most
