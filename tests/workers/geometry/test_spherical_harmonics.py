"""Colours that depend on the direction of view, against SciPy's harmonics and against turned scenes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from tests.support.splats import random_splat
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians, concatenate, drop_harmonics, sanitize, transform
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.geometry.spherical_harmonics import COUNTS, evaluate_basis, find_degree, view_colors
from workers.geometry.splat_renderer import render_splat


def draw_directions(count: int = 20, seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def draw_harmonics(count: int, degree: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (count, COUNTS[degree], 3)).astype(np.float32)


def test_the_basis_is_that_of_scipy_made_real() -> None:
    x, y, z = draw_directions().T
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    expected = []
    for level in range(1, 4):
        for order in range(-level, level + 1):
            value = sph_harm_y(level, abs(order), polar, azimuth)
            # SciPy has the Condon-Shortley phase too
            part = value.imag if order < 0 else value.real
            expected.append(part * (1 if order == 0 else np.sqrt(2)))
    np.testing.assert_allclose(evaluate_basis(np.stack([x, y, z], 1), 3), np.stack(expected, 1), atol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_turned_splat_looks_the_same_from_a_turned_camera(degree: int) -> None:
    splat = replace(random_splat(30), harmonics=draw_harmonics(30, degree))
    pose = Similarity(rotation=(0.8, 0.36, 0.0, 0.48), translation=(0.3, -0.2, 0.5), scale=1.7)
    moved, eye = transform(splat, pose), np.array([0.4, 2.0, -3.0])
    before = view_colors(splat.colors, splat.harmonics, splat.means, eye)
    after = view_colors(moved.colors, moved.harmonics, moved.means, pose.apply(eye[None])[0])
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert np.abs(before - splat.colors).max() > 0.1 and before.min() == 0


def look(splat: Gaussians, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The middle pixel as both renderers see it from +z or -z."""
    camera = Camera(21, 21, 30.0, 30.0, 10.5, 10.5)
    turn = Rotation.from_euler("x", 180 if side > 0 else 0, degrees=True).as_quat(scalar_first=True)
    pose = Similarity(rotation=tuple(map(float, turn)), translation=(0.0, 0.0, 3.0))
    seen = NumbaRasteriser().render(splat, PosedCamera(camera, pose)).color[10, 10]
    return seen, render_splat(splat, camera, pose, background=(0, 0, 0))[10, 10] / 255


def test_both_renderers_show_another_colour_from_the_other_side() -> None:
    one = Gaussians(
        np.zeros((1, 3), np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full((1, 3), 0.3, np.float32),
        np.array([0.999], np.float32),
        np.full((1, 3), 0.5, np.float32),
        np.zeros((1, 3, 3), np.float32),
    )
    # along z, the basis is 0.4886 times the direction's z: red from +z, where the camera looks along -z
    one.harmonics[0, 1] = [-0.8, 0, 0.8]
    shift = 0.8 * 0.4886025
    for side, red in ((1, 0.5 + shift), (-1, 0.5 - shift)):
        for seen in look(one, side):
            np.testing.assert_allclose(seen, [red, 0.5, 1 - red], atol=0.01)
    for seen in look(drop_harmonics(one), 1):
        np.testing.assert_allclose(seen, [0.5] * 3, atol=0.01)


def test_splats_of_several_degrees_become_one_of_the_highest() -> None:
    plain, low, high = (random_splat(4, seed) for seed in range(3))
    low = replace(low, harmonics=draw_harmonics(4, 1))
    high = replace(high, harmonics=draw_harmonics(4, 3))
    both = concatenate([plain, low, high])
    assert both.degree == 3 and both.harmonics is not None
    assert not both.harmonics[:4].any() and not both.harmonics[4:8, 3:].any()
    np.testing.assert_array_equal(both.select(np.arange(8, 12)).harmonics, high.harmonics)
    assert concatenate([plain, plain]).harmonics is None


def test_colours_of_harmonics_are_not_cut_off_and_broken_ones_are_left_out() -> None:
    splat = replace(random_splat(3), harmonics=draw_harmonics(3, 2))
    splat.colors[0], splat.harmonics[2, 5, 1] = 1.8, np.nan
    clean = sanitize(splat)
    assert len(clean) == 2 and clean.colors[0, 0] == np.float32(1.8)
    assert drop_harmonics(clean).colors[0, 0] == 1
    with pytest.raises(ValueError, match="no degree"):
        find_degree(4)
