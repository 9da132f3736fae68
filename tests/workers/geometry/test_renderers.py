"""The camera and the software renderer, against areas, depths and pixels known beforehand."""

import numpy as np
import pytest
import trimesh

from workers.geometry import mesh_renderer
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.mesh_renderer import rasterize, render_mesh, silhouette
from workers.geometry.meshes import vertex_normals
from workers.geometry.poses import Similarity, look_at
from workers.geometry.splat_renderer import render_splat

CAMERA = Camera(width=64, height=48, fx=50, fy=50, cx=32, cy=24)


def rectangle(x0, y0, x1, y1, z):
    """Two triangles that project exactly onto pixel corners (x0, y0) to (x1, y1)."""
    pixels = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)
    return CAMERA.unproject(pixels, np.full(4, float(z))), np.array([[0, 1, 2], [0, 2, 3]])


def test_pixel_centres_lie_at_half():
    assert CAMERA.project(np.array([0.0, 0, 1])).tolist() == [32, 24]
    np.testing.assert_allclose(CAMERA.unproject(np.array([32.5, 24.5]), np.array(2.0)), [0.02, 0.02, 2])
    mask = silhouette(*rectangle(10, 20, 30, 25, 3), CAMERA)
    expected = np.zeros((48, 64), bool)
    expected[20:25, 10:30] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_rectangle_smaller_than_half_a_pixel_covers_only_a_centre_inside_it():
    assert silhouette(*rectangle(10.4, 20.4, 10.6, 20.6, 1), CAMERA).sum() == 1
    assert silhouette(*rectangle(10.6, 20.6, 10.9, 20.9, 1), CAMERA).sum() == 0


def test_depth_is_z_and_the_nearer_face_wins():
    far, faces = rectangle(0, 0, 64, 48, 5)
    near, _ = rectangle(10, 10, 20, 20, 2)
    fragments = rasterize(np.vstack([far, near]), np.vstack([faces, faces + 4]), CAMERA)
    assert fragments.depth[15, 15] == pytest.approx(2) and fragments.depth[0, 0] == pytest.approx(5)
    assert fragments.face[15, 15] >= 2 and fragments.face[0, 0] < 2


def test_depth_is_perspective_correct_on_a_slope():
    points = CAMERA.unproject(np.array([[0, 0], [64, 0], [64, 48], [0, 48]], float), np.array([1.0, 4, 4, 1]))
    depth = rasterize(points, np.array([[0, 1, 2], [0, 2, 3]]), CAMERA).depth
    inverse = 1 + (0.25 - 1) * 31.5 / 64
    assert depth[24, 31] == pytest.approx(1 / inverse, rel=1e-9)


def test_triangles_behind_the_camera_are_left_out():
    points, faces = rectangle(0, 0, 64, 48, 1)
    assert not silhouette(points * [1, 1, -1], faces, CAMERA).any()


def test_broken_triangles_are_left_out_and_the_others_stay():
    good, faces = rectangle(10, 20, 30, 25, 3)
    broken = np.array(
        [[np.nan, 0, 3], [0, np.nan, 3], [0, 0, np.nan], [np.inf, 0, 3], [0, -np.inf, 3], [1e308, -1e308, 3]]
    )
    # a broken corner, one whose pixel no number can hold, and no area at all
    more = [*([0, 1, 4 + k] for k in range(6)), [0, 0, 1], [2, 2, 2], [5, 6, 7]]
    alone = rasterize(good, faces, CAMERA)
    with np.errstate(all="raise"):
        together = rasterize(np.vstack([good, broken]), np.vstack([faces, more]), CAMERA)
    np.testing.assert_array_equal(together.face, alone.face)
    np.testing.assert_array_equal(together.depth, alone.depth)


def test_triangles_as_wide_as_the_picture_take_bounded_work(monkeypatch):
    """Each pixel of a picture lies in the boxes of hundreds of these, as a mesh without a form has them."""
    random, camera = np.random.default_rng(0), Camera.with_field_of_view(160, 120, 60)
    points = random.normal(size=(600, 3)) * [1, 1, 0.3] + [0, 0, 2]
    faces, done, fill = random.integers(0, 600, (1000, 3)), [], mesh_renderer._barycentric

    def count(corners, area, triangle, x, y):
        done.append(len(x))
        return fill(corners, area, triangle, x, y)

    monkeypatch.setattr(mesh_renderer, "_barycentric", count)
    fragments = rasterize(points, faces, camera, most_candidates=200_000)
    assert 0 < sum(done) <= 200_000
    assert fragments.face.shape == fragments.depth.shape == (120, 160)
    # the coarse picture shows the same: nearly everything is covered
    assert (fragments.face >= 0).mean() > 0.9 and np.isfinite(fragments.depth[fragments.face >= 0]).all()
    rasterize(points, faces, Camera(1, 1, 1, 1, 0.5, 0.5), most_candidates=10)


def test_a_coarse_picture_lies_where_the_exact_one_does():
    ball = trimesh.creation.icosphere(3)
    points, faces = ball.vertices + np.array([0.3, -0.2, 4]), np.asarray(ball.faces)
    camera = Camera.with_field_of_view(131, 97, 40)
    exact = rasterize(points, faces, camera)
    coarse = rasterize(points, faces, camera, most_candidates=4000)
    masks = exact.face >= 0, coarse.face >= 0
    assert (masks[0] ^ masks[1]).any()
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.95
    both = masks[0] & masks[1]
    assert np.median(np.abs(exact.depth[both] - coarse.depth[both])) < 0.02


def test_a_sphere_has_the_area_of_its_cone():
    camera = Camera.with_field_of_view(256, 256, 40)
    ball = trimesh.creation.icosphere(5)
    mask = silhouette(ball.vertices + np.array([0, 0, 4]), np.asarray(ball.faces), camera)
    radius = camera.fx * np.tan(np.arcsin(1 / 4))
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.005)


def test_render_shades_towards_the_camera_and_keeps_colours():
    ball = trimesh.creation.icosphere(4)
    colors = np.tile(np.array([200, 20, 20], np.uint8), (len(ball.vertices), 1))
    image, depth = render_mesh(
        np.asarray(ball.vertices), np.asarray(ball.faces), colors, CAMERA, look_at([0, 0, 3], [0, 0, 0])
    )
    assert np.abs(image[24, 32].astype(int) - [200, 20, 20]).max() <= 3
    assert depth[24, 32] == pytest.approx(2, abs=0.01)
    rim = image[24, np.flatnonzero(np.isfinite(depth[24]))[0]]
    assert rim[0] < 150
    assert image[0, 0].tolist() == [255, 255, 255] and np.isinf(depth[0, 0])


def test_vertex_normals_of_a_sphere_point_outwards():
    ball = trimesh.creation.icosphere(3)
    normals = vertex_normals(np.asarray(ball.vertices), np.asarray(ball.faces))
    assert (normals * ball.vertices).sum(axis=1).min() > 0.999


def test_cropping_and_resizing_move_pixels_with_the_image():
    point = np.array([0.1, -0.05, 1.3])
    pixel = CAMERA.project(point)
    np.testing.assert_allclose(CAMERA.crop(5, 7, 20, 20).project(point), pixel - [5, 7])
    np.testing.assert_allclose(CAMERA.resized(128, 96).project(point), pixel * 2)


def one_gaussian(**changes):
    values = {
        "means": np.array([[0, 0, 2]], np.float32),
        "rotations": np.array([[1, 0, 0, 0]], np.float32),
        "scales": np.full((1, 3), 0.08, np.float32),
        "opacities": np.array([0.9], np.float32),
        "colors": np.array([[1, 0, 0]], np.float32),
    }
    return Gaussians(**(values | changes))


def test_a_gaussian_fades_with_its_projected_deviation():
    camera = Camera(65, 65, 100, 100, 32.5, 32.5)
    image = render_splat(one_gaussian(), camera, Similarity(), background=(0, 0, 0))[..., 0] / 255
    variance = (100 * 0.08 / 2) ** 2 + 0.3
    assert image[32, 32] == pytest.approx(0.9, abs=0.01)
    assert image[32, 36] == pytest.approx(0.9 * np.exp(-8 / variance), abs=0.01)


def test_the_nearer_gaussian_covers_the_farther_one():
    camera = Camera(65, 65, 100, 100, 32.5, 32.5)
    pair = Gaussians(
        means=np.array([[0, 0, 4], [0, 0, 2]], np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (2, 1)),
        scales=np.full((2, 3), 0.2, np.float32),
        opacities=np.array([0.99, 0.75], np.float32),
        colors=np.array([[0, 1, 0], [1, 0, 0]], np.float32),
    )
    center = render_splat(pair, camera, Similarity(), background=(0, 0, 1))[32, 32] / 255
    np.testing.assert_allclose(center, [0.75, 0.25 * 0.99, 0.25 * 0.01], atol=0.01)
