"""The default object engine on masks of all kinds: closed meshes, exact outlines, the same bytes."""

import io
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gltf_validator import assert_valid
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.export import add_asset_node, write_asset_glb, write_asset_splat_ply
from workers.engines.objects.inputs import EmptyMaskError
from workers.engines.objects.single_view.confidence import rate_confidence
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.protocols import ObjectEngine
from workers.formats.glb_builder import GlbBuilder
from workers.formats.glb_reader import read_glb
from workers.formats.splat_ply import read_splat_ply
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

ENGINE = DefaultObjects(splats=2000)
H, W = 240, 320
Y, X = np.mgrid[:H, :W] + 0.5
IMAGE = np.stack([X / W * 255, Y / H * 255, np.full_like(X, 90)], axis=-1).astype(np.uint8)


def draw_mask(*shapes):
    mask = np.zeros((H, W), np.uint8)
    for shape in shapes:
        shape(mask)
    return mask > 0


def speckle(seed, threshold=0.505, sigma=5.0):
    noise = np.random.default_rng(seed).random((H, W)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), sigma) > threshold


def row(length, y=100):
    mask = np.zeros((H, W), bool)
    mask[y, 20 : 20 + length] = True
    return mask


MASKS = {
    "disc": (X - 160) ** 2 + (Y - 120) ** 2 < 80**2,
    "mug": draw_mask(
        lambda m: cv2.rectangle(m, (80, 50), (180, 200), 1, -1),
        lambda m: cv2.circle(m, (190, 120), 40, 1, 8),
    ),
    "two parts": draw_mask(
        lambda m: cv2.circle(m, (80, 100), 40, 1, -1), lambda m: cv2.circle(m, (230, 120), 50, 1, -1)
    ),
    "at the border": (X - 10) ** 2 + (Y - 5) ** 2 < 90**2,
    "whole image": np.ones((H, W), bool),
    "thin row": row(200),
    "short row": row(3),
    "one pixel": row(1),
    "corner pixel": (X < 1) & (Y < 1),
    "diagonal": draw_mask(lambda m: cv2.line(m, (20, 20), (300, 220), 1, 1)),
    "fork": draw_mask(*(lambda m, x=x: cv2.line(m, (160, 200), (x, 20), 1, 2) for x in (100, 140, 180, 220))),
    "star": np.hypot(X - 160, Y - 120) < 60 + 40 * np.sin(9 * np.arctan2(Y - 120, X - 160)),
    "checkers": ((X // 1 + Y // 1) % 2 == 0) & (X < 40) & (Y < 40),
    "grid": ((X // 4) % 3 == 0) | ((Y // 4) % 3 == 0),
    "blobs": speckle(0),
    "fine blobs": speckle(1, 0.51, 2.0),
}


def iou(asset, mask):
    seen = silhouette(asset.pose.apply(asset.mesh.vertices), asset.mesh.faces, asset.camera)
    return mask_iou(seen, mask)


def assert_closed(mesh):
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight and solid.is_winding_consistent
    assert solid.volume > 0


@pytest.mark.parametrize("name", MASKS)
def test_every_mask_gives_a_closed_mesh_with_its_outline(name):
    mask = MASKS[name]
    asset = ENGINE.reconstruct(IMAGE, mask)
    assert_closed(asset.mesh)
    measured = iou(asset, mask)
    assert measured >= 0.97
    assert asset.silhouette_iou == pytest.approx(measured, abs=1e-9)
    assert 0 <= asset.confidence <= 1
    assert {"default_engine", "unseen_side_guessed", "scale_not_metric", "camera_assumed"} <= set(asset.flags)


@settings(max_examples=6)
@given(st.integers(0, 10**6), st.floats(0.48, 0.53), st.floats(1.5, 15.0))
def test_random_masks(seed, threshold, sigma):
    mask = speckle(seed, threshold, sigma)
    if mask.any():
        asset = ENGINE.reconstruct(IMAGE, mask)
        assert_closed(asset.mesh)
        measured = iou(asset, mask)
        # noise of a few pixels may be missed a little, and is flagged then
        assert measured >= 0.95
        assert ("low_iou" in asset.flags) == (asset.silhouette_iou < 0.97)


@settings(max_examples=15)
@given(
    st.floats(60, 2000), st.floats(-200, 500), st.floats(-200, 500), st.integers(5, 100), st.integers(0, 319)
)
def test_any_camera_keeps_the_outline(focal, cx, cy, radius, x):
    mask = (X - x) ** 2 + (Y - 120) ** 2 < radius**2
    camera = Camera(W, H, focal, focal, cx, cy)
    asset = ENGINE.reconstruct(IMAGE, mask, camera=camera)
    assert asset.camera == camera and "camera_assumed" not in asset.flags
    assert_closed(asset.mesh)
    assert (asset.pose.apply(asset.mesh.vertices)[:, 2] > 0).all()
    assert iou(asset, mask) >= 0.97


def test_a_small_ball_far_from_the_axis_keeps_its_outline():
    mask = (X - 86) ** 2 + (Y - 120) ** 2 < 12**2
    asset = ENGINE.reconstruct(IMAGE, mask, camera=Camera(W, H, 813, 813, -64, 1))
    assert iou(asset, mask) >= 0.97


def test_large_masks_are_measured_and_kept():
    mask = np.zeros((1500, 2000), bool)
    mask[100:1400, 100:1900] = True
    mask[300:1200, 300:1700] = False
    asset = ENGINE.reconstruct(np.zeros((1500, 2000, 3), np.uint8), mask)
    assert iou(asset, mask) >= 0.97
    assert asset.silhouette_iou == pytest.approx(iou(asset, mask), abs=0.015)


@pytest.mark.parametrize(
    ("name", "flag", "present"),
    [
        ("at the border", "truncated", True),
        ("disc", "truncated", False),
        ("two parts", "multiple_components", True),
        ("mug", "multiple_components", False),
        ("short row", "tiny_mask", True),
        ("disc", "tiny_mask", False),
        ("disc", "low_iou", False),
    ],
)
def test_flags(name, flag, present):
    assert (flag in ENGINE.reconstruct(IMAGE, MASKS[name]).flags) is present


def test_truncation_and_parts_lower_confidence():
    surface = SimpleNamespace(expected_error=0.1)
    views = [MaskView.from_mask(MASKS[name], Camera.assumed(*MASKS[name].shape[::-1])) for name in MASKS]
    confidence = dict(
        zip(
            MASKS, [rate_confidence(v, "learned", surface, 1.0, uses_depth=False) for v in views], strict=True
        )
    )
    assert confidence["at the border"] < confidence["two parts"] < confidence["disc"]
    doubtful = SimpleNamespace(expected_error=0.15)
    assert (
        rate_confidence(views[0], "learned", doubtful, 1.0, uses_depth=False) < confidence[next(iter(MASKS))]
    )


def test_a_hole_stays_open_and_a_speck_goes():
    mug = MASKS["mug"].copy()
    asset = ENGINE.reconstruct(IMAGE, mug)
    solid = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces)
    assert solid.euler_number == 0
    mug[230, 300] = True
    assert "multiple_components" not in ENGINE.reconstruct(IMAGE, mug).flags


def test_canonical_frame():
    asset = ENGINE.reconstruct(IMAGE, MASKS["star"])
    low, high = asset.mesh.vertices.min(axis=0), asset.mesh.vertices.max(axis=0)
    assert (high - low).max() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(low + high, 0, atol=1e-9)
    pixels = asset.camera.project(asset.pose.apply(asset.mesh.vertices))
    # Canonical +y is up in the image, +x right, +z towards the camera.
    top, right = asset.mesh.vertices[:, 1].argmax(), asset.mesh.vertices[:, 0].argmax()
    assert pixels[top, 1] < pixels[:, 1].mean() and pixels[right, 0] > pixels[:, 0].mean()
    cam = asset.pose.apply(np.array([[0, 0, 1.0], [0, 0, 0]]))
    assert cam[0, 2] < cam[1, 2]


def test_splat_mesh_and_pose_agree():
    asset = ENGINE.reconstruct(IMAGE, MASKS["mug"], seed=3)
    solid = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False)
    some = np.arange(0, len(asset.splat), 10)
    means = asset.splat.means[some].astype(np.float64)
    _, distance, face = trimesh.proximity.closest_point_naive(solid, means[:60])
    assert distance.max() <= 1e-5
    w, x, y, z = asset.splat.rotations[some][:60].astype(np.float64).T
    axis = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    assert np.median((axis * solid.face_normals[face]).sum(axis=1)) > 0.98
    np.testing.assert_allclose(np.linalg.norm(asset.splat.rotations, axis=1), 1, atol=1e-6)
    assert (asset.splat.scales[:, 2] < 0.2 * asset.splat.scales[:, 0]).all()
    # The splats' pixels fall into the mask through the same pose.
    pixels = asset.camera.project(asset.pose.apply(asset.splat.means.astype(np.float64))).astype(int)
    assert cv2.dilate(MASKS["mug"].astype(np.uint8), np.ones((5, 5)))[pixels[:, 1], pixels[:, 0]].all()


def test_the_same_call_gives_the_same_bytes_and_the_seed_moves_only_splats():
    one, two = (ENGINE.reconstruct(IMAGE, MASKS["star"], seed=7) for _ in range(2))
    assert write_asset_glb(one, "a") == write_asset_glb(two, "a")
    assert write_asset_splat_ply(one) == write_asset_splat_ply(two)
    other = ENGINE.reconstruct(IMAGE, MASKS["star"], seed=8)
    assert write_asset_glb(one, "a") == write_asset_glb(other, "a")
    assert write_asset_splat_ply(one) != write_asset_splat_ply(other)


def test_colours_come_from_the_object_not_from_the_background():
    mask = MASKS["disc"]
    image = np.full((H, W, 3), (0, 255, 0), np.uint8)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3))) > 0
    image[inside] = (200, 30, 60)
    asset = ENGINE.reconstruct(image, mask)
    assert np.abs(asset.mesh.colors.astype(int) - [200, 30, 60]).max() <= 12
    assert np.abs(asset.splat.colors * 255 - [200, 30, 60]).max() <= 12


def test_front_colours_lie_where_the_image_has_them():
    image = np.zeros((H, W, 3), np.uint8)
    image[:, :160] = (250, 0, 0)
    image[:, 160:] = (0, 0, 250)
    asset = ENGINE.reconstruct(image, MASKS["disc"])
    vertices, colors = asset.mesh.vertices, asset.mesh.colors
    front = (vertices[:, 2] > 0.1) & (np.abs(vertices[:, 0]) > 0.05)
    red = colors[:, 0] > colors[:, 2]
    np.testing.assert_array_equal(red[front], vertices[front, 0] < 0)


def sphere_view(side=256, distance=3.0):
    camera = Camera.with_field_of_view(side, side, 45)
    y, x = np.mgrid[:side, :side] + 0.5
    rays = camera.unproject(np.stack([x, y], axis=-1), np.ones((side, side)))
    a, b, c = (rays**2).sum(-1), distance * rays[..., 2], distance**2 - 1
    root = b * b - a * c
    hit = root >= 0
    depth = np.where(hit, (b - np.sqrt(np.maximum(root, 0))) / a, np.nan)
    return camera, hit, depth.astype(np.float32)


def test_depth_makes_it_metric_and_puts_the_front_where_it_was_measured():
    camera, mask, depth = sphere_view()
    image = np.zeros((*mask.shape, 3), np.uint8)
    noisy = depth.copy()
    noisy[::7, ::5] = np.nan
    noisy[3::11, 2::9] = np.inf
    noisy[5::40, 5::40] = -1
    asset = ENGINE.reconstruct(image, mask, camera=camera, depth=noisy)
    assert asset.scale_source == "metric" and "scale_not_metric" not in asset.flags
    assert_closed(asset.mesh)
    points = asset.pose.apply(asset.mesh.vertices)
    radius = np.linalg.norm(points - [0, 0, 3], axis=1)
    front = points[:, 2] < 2.6
    assert np.abs(radius[front] - 1).max() < 0.03
    assert asset.pose.scale == pytest.approx(2, abs=0.35)
    assert iou(asset, mask) >= 0.97


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -3.0])
def test_useless_depth_falls_back_and_says_so(value):
    _, mask, depth = sphere_view()
    image = np.zeros((*mask.shape, 3), np.uint8)
    asset = ENGINE.reconstruct(image, mask, depth=np.full_like(depth, value))
    assert asset.scale_source == "relative" and "depth_unusable" in asset.flags


def test_a_depth_map_of_one_value_says_how_far_away_the_object_is_and_no_more():
    _, mask, depth = sphere_view()
    image = np.zeros((*mask.shape, 3), np.uint8)
    asset = ENGINE.reconstruct(image, mask, depth=np.full_like(depth, 1.5))
    assert asset.scale_source == "metric"
    assert "depth_distance_only" in asset.flags and "depth_unusable" not in asset.flags
    assert_closed(asset.mesh)
    points = asset.pose.apply(asset.mesh.vertices)
    assert points[:, 2].min() < 1.5 < points[:, 2].max()
    np.testing.assert_allclose(asset.mesh.vertices, ENGINE.reconstruct(image, mask).mesh.vertices, atol=1e-9)


def test_wrong_input_is_refused_with_words():
    with pytest.raises(EmptyMaskError, match="empty"):
        ENGINE.reconstruct(IMAGE, np.zeros((H, W), bool))
    with pytest.raises(ValueError, match="mask must be bool"):
        ENGINE.reconstruct(IMAGE, np.ones((H, W - 1), bool))
    with pytest.raises(ValueError, match="mask must be bool"):
        ENGINE.reconstruct(IMAGE, np.ones((H, W), np.uint8))
    with pytest.raises(ValueError, match="depth"):
        ENGINE.reconstruct(IMAGE, MASKS["disc"], depth=np.ones((3, 3), np.float32))
    with pytest.raises(ValueError, match="camera"):
        ENGINE.reconstruct(IMAGE, MASKS["disc"], camera=Camera.assumed(10, 10))
    with pytest.raises(ValueError, match="intrinsics"):
        ENGINE.reconstruct(IMAGE, MASKS["disc"], camera=Camera(W, H, 0, 100, 1, 1))


def test_files_agree_with_the_asset():
    asset = ENGINE.reconstruct(IMAGE, MASKS["mug"])
    glb = write_asset_glb(asset, "cup")
    assert_valid(glb)
    loaded = next(iter(trimesh.load(io.BytesIO(glb), file_type="glb").geometry.values()))
    np.testing.assert_allclose(loaded.vertices, asset.mesh.vertices, atol=1e-6)
    assert loaded.is_watertight
    parsed = read_glb(glb)
    assert asset.photo is not None
    np.testing.assert_allclose(loaded.visual.uv * [1, -1] + [0, 1], asset.photo.uvs, atol=1e-6)
    node = parsed.document["nodes"][0]
    assert not {"matrix", "translation", "rotation", "scale"} & node.keys()
    assert node["extras"]["scale_source"] == "relative"
    splat = read_splat_ply(write_asset_splat_ply(asset))
    np.testing.assert_array_equal(splat.means, asset.splat.means)


def test_scene_nodes_carry_the_pose_in_gltf_camera_axes():
    named = [(name, ENGINE.reconstruct(IMAGE, MASKS[name])) for name in ("disc", "mug", "star")]
    builder = GlbBuilder()
    for name, asset in named:
        add_asset_node(builder, name, asset)
    data = builder.build()
    assert_valid(data)
    scene = read_glb(data)
    assert [node["name"] for node in scene.document["nodes"]] == ["disc", "mug", "star"]
    for index, (_, asset) in enumerate(named):
        world = scene.world_matrix(index)
        placed = asset.mesh.vertices @ world[:3, :3].T + world[:3, 3]
        np.testing.assert_allclose(placed * [1, -1, -1], asset.pose.apply(asset.mesh.vertices), atol=1e-5)
        assert (placed[:, 2] < 0).all()


def test_it_is_an_object_engine():
    assert isinstance(ENGINE, ObjectEngine)
    assert ENGINE.info.kind == "objects" and ENGINE.info.licence == "Apache-2.0"
