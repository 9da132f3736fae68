"""Things on legs, things that lie and extrusions, found in one mask and judged against their other sides."""

import cv2
import numpy as np
import pytest
import trimesh

from bench.objects import shapes as bench
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.legs import without_legs
from workers.engines.objects.regular import plan_of

ENGINE = DefaultObjects(splats=100)
CAMERA = bench.Camera.with_field_of_view(256, 256, 40.0)


def gear(tips, inner, height):
    """A star of `tips` points, extruded upwards."""
    angle = np.linspace(0, 2 * np.pi, 2 * tips, endpoint=False)
    radius = np.where(np.arange(2 * tips) % 2, inner, 1.0)
    return bench.prism(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), height)


def lying(mesh):
    mesh.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [0, 0, 1]))
    return mesh


def bench_seat():
    return bench.join(bench.box(1.3, 0.12, 0.7), *bench.legs(0.55, 0.25, 0.6, 0.12))


def seat():
    back = bench.at(bench.box(0.8, 0.6, 0.1), 0, 0.3, -0.3)
    return bench.join(bench.box(0.8, 0.1, 0.7), back, *bench.legs(0.35, 0.3, 0.6, 0.1))


def stool():
    top = bench.upright(trimesh.creation.cylinder(0.5, 0.15))
    feet = [
        bench.at(bench.upright(trimesh.creation.cylinder(0.05, 0.8)), 0.4 * np.sin(a), -0.4, 0.4 * np.cos(a))
        for a in np.radians([20, 110, 200, 290])
    ]
    return bench.join(top, *feet)


def corner():
    return bench.join(bench.box(1.0, 0.3, 0.6), bench.at(bench.box(0.3, 0.7, 0.6), -0.35, 0.5, 0))


def roller():
    profile = ((0, 0), (0.4, 0), (0.4, 0.3), (0.1, 0.3), (0.1, 1.3), (0.4, 1.3), (0.4, 1.6), (0, 1.6))
    return lying(bench.turned(*profile))


def mask_of(mesh, view):
    placed = bench.orbit(*view, 3.0).apply(np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0))
    return bench.silhouette(placed, np.asarray(mesh.faces, dtype=np.int64), CAMERA)


@pytest.mark.parametrize(
    ("make", "view", "kind", "iou"),
    [
        (lambda: gear(6, 0.5, 0.5), (10.0, 30.0), "extruded", 0.8),
        (corner, (30.0, 28.0), "extruded", 0.8),
        (roller, (30.0, 22.0), "turned", 0.8),
        (bench_seat, (35.0, 25.0), "legged", 0.85),
        (seat, (30.0, 25.0), "legged", 0.85),
        (stool, (0.0, 25.0), "legged", 0.85),
    ],
    ids=["star", "bracket", "roller", "bench", "chair", "stool"],
)
def test_composed_and_extruded_shapes_look_right_from_elsewhere(make, view, kind, iou):
    score = bench.judge(ENGINE, make(), view, quick=True)
    assert score.kind == kind
    assert score.novel_iou >= iou
    assert score.input_iou >= 0.955


@pytest.mark.parametrize("make", [bench_seat, seat, stool, roller, corner], ids=lambda make: make.__name__)
def test_they_are_closed_upright_and_the_same_every_time(make):
    view = (30.0, 22.0)
    mask = mask_of(make(), view)
    image = np.full((256, 256, 3), 90, np.uint8)
    asset = ENGINE.reconstruct(image, mask, camera=CAMERA)
    assert {"shape_legged", "shape_turned", "shape_extruded"} & set(asset.flags)
    solid = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False)
    assert solid.is_watertight and solid.is_winding_consistent
    assert all(part.volume > 0 for part in solid.split())
    up = asset.pose.rotation_matrix() @ [0, 1, 0]
    truth = bench.orbit(*view, 3.0).rotation_matrix() @ [0, 1, 0]
    assert np.degrees(np.arccos(min(float(up @ truth), 1))) < 12
    again = ENGINE.reconstruct(image, mask, camera=CAMERA)
    assert np.array_equal(asset.mesh.vertices, again.mesh.vertices)


def test_smooth_random_blobs_are_inflated():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:256, :256] + 0.5
    taken = []
    for _ in range(12):
        waves = rng.normal(size=(2, 4)) * [0.08, 0.06, 0.04, 0.03]
        angle = np.arctan2(y - 128, x - 128)[..., None] * np.arange(2, 6)
        edge = 70 * (1 + (waves[0] * np.cos(angle) + waves[1] * np.sin(angle)).sum(axis=-1))
        asset = ENGINE.reconstruct(
            np.zeros((256, 256, 3), np.uint8), np.hypot(x - 128, y - 128) < edge, camera=CAMERA
        )
        taken += [flag for flag in asset.flags if flag in ("shape_extruded", "shape_legged", "shape_box")]
    assert not taken


def test_balls_anywhere_stay_balls():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:200, :260] + 0.5
    for _ in range(60):
        radius = rng.uniform(6, 60)
        cx, cy = rng.uniform(radius + 2, 258 - radius), rng.uniform(radius + 2, 198 - radius)
        mask = np.hypot(x - cx, y - cy) < radius
        asset = ENGINE.reconstruct(np.zeros((200, 260, 3), np.uint8), mask)
        assert not [flag for flag in asset.flags if flag.startswith("shape_")]
        assert np.ptp(asset.mesh.vertices, axis=0).min() > 0.8


def test_legs_are_told_from_bodies():
    table = np.zeros((120, 120), np.uint8)
    cv2.rectangle(table, (10, 20), (110, 45), 1, -1)
    whole = table.copy()
    for left in (14, 96):
        cv2.rectangle(whole, (left, 45), (left + 8, 105), 1, -1)
    body = without_legs(whole > 0)
    assert body is not None and np.array_equal(body, table > 0)
    disc = np.hypot(*(np.mgrid[:120, :120] - 60)) < 50
    assert without_legs(disc) is None
    assert without_legs(table > 0) is None


def test_a_plan_seen_at_the_wrong_slant_is_less_regular():
    bracket = np.array([[0, 0], [3, 0], [3, 1], [1, 1], [1, 3], [0, 3]], dtype=np.float64)
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    right, squeezed = (plan_of(*[bracket @ turn.T * [1, s]] * 2) for s in (1.0, 0.6))
    assert right.square == pytest.approx(1) and squeezed.square < 0.8
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    flower = np.column_stack([np.cos(angle), np.sin(angle)]) * (1 + 0.3 * np.cos(5 * angle))[:, None]
    right, squeezed = (plan_of(flower * [1, s], flower * [1, s]) for s in (1.0, 0.6))
    assert right.folds > 0.97 and squeezed.folds < 0.75
    assert right.even == pytest.approx(1, abs=0.01) and squeezed.even == pytest.approx(0.6, abs=0.02)
    assert plan_of(flower * [1, 0], flower * [1, 0]) is None
