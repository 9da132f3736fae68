"""Poses and axes, each against numbers worked out by hand or SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from workers.geometry.poses import (
    OPENCV_FROM_PYTORCH3D,
    Similarity,
    look_at,
    multiply_quaternions,
    opencv_from_opengl,
    opengl_from_opencv,
)

POINTS = np.random.default_rng(0).normal(size=(20, 3))


def random_pose(seed):
    rng = np.random.default_rng(seed)
    return Similarity.from_parts(
        Rotation.random(rng=rng).as_matrix(), rng.normal(size=3), float(rng.uniform(0.1, 5))
    )


def test_scale_then_rotate_then_translate():
    quarter_about_z = Similarity((np.sqrt(0.5), 0, 0, np.sqrt(0.5)), (10, 0, 0), 2)
    np.testing.assert_allclose(quarter_about_z.apply(np.array([1.0, 0, 0])), [10, 2, 0], atol=1e-12)
    np.testing.assert_allclose(quarter_about_z.matrix() @ [1, 0, 0, 1], [10, 2, 0, 1], atol=1e-12)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_inverse_and_compose(one, two):
    a, b = random_pose(one), random_pose(two)
    np.testing.assert_allclose(a.inverse().apply(a.apply(POINTS)), POINTS, atol=1e-9)
    np.testing.assert_allclose(a.compose(b).apply(POINTS), a.apply(b.apply(POINTS)), atol=1e-9)
    np.testing.assert_allclose(a.compose(b).matrix(), a.matrix() @ b.matrix(), atol=1e-9)


def test_opencv_and_opengl_cameras():
    # One metre right, two down, three ahead: OpenGL says right 1, up -2, z -3.
    pose = Similarity(translation=(1, 2, 3))
    assert opengl_from_opencv(pose).translation == pytest.approx((1, -2, -3))
    pose = random_pose(5)
    np.testing.assert_allclose(
        opengl_from_opencv(pose).apply(POINTS), pose.apply(POINTS) * [1, -1, -1], atol=1e-12
    )
    np.testing.assert_allclose(
        opencv_from_opengl(opengl_from_opencv(pose)).matrix(), pose.matrix(), atol=1e-12
    )


def test_pytorch3d_axes():
    # PyTorch3D has x left and y up, so both flip.
    np.testing.assert_array_equal(OPENCV_FROM_PYTORCH3D @ [1, 2, 3], [-1, -2, 3])


def test_look_at_puts_the_target_ahead_and_up_upwards():
    pose = look_at([0, 0, 5], [0, 0, 0])
    np.testing.assert_allclose(pose.apply(np.zeros(3)), [0, 0, 5], atol=1e-12)
    assert pose.apply(np.array([0.0, 1, 0]))[1] == pytest.approx(-1)
    assert pose.apply(np.array([1.0, 0, 0]))[0] == pytest.approx(1)
    np.testing.assert_allclose(look_at([0, 3, 0], [0, 0, 0]).apply(np.zeros(3)), [0, 0, 3], atol=1e-12)
    with pytest.raises(ValueError, match="same point"):
        look_at([1, 2, 3], [1, 2, 3])


def test_quaternion_products_agree_with_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 10, 4))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    product = multiply_quaternions(a, b)
    expected = Rotation.from_quat(a[:, [1, 2, 3, 0]]) * Rotation.from_quat(b[:, [1, 2, 3, 0]])
    actual = Rotation.from_quat(product[:, [1, 2, 3, 0]])
    np.testing.assert_allclose(actual.as_matrix(), expected.as_matrix(), atol=1e-12)
