"""Steps, guidance, the coarse shape and the point map of SAM 3D Objects, by a FAKE upstream."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from tests.parity.test_sam3d_objects import CAMERA, HEIGHT, IMAGE, MASK, VERTICES, WIDTH, calls, start
from workers.engines.protocols import GenerationControls, GenerativeEngine

__all__ = ["start"]


def test_controls_of_both_stages_reach_upstream_and_leave_nothing_behind(start: Any, tmp_path: Path) -> None:
    engine = start("fast")
    asked = GenerationControls(shape_steps=12, detail_steps=9, detail_guidance=0.0)
    for controls in (asked, GenerationControls()):
        engine.generate(IMAGE, MASK, controls, camera=CAMERA)
    first, second = calls(tmp_path)
    assert first["guidance"] == [7, 0] and second["guidance"] == [7, 5]
    assert (first["stage1_inference_steps"], first["stage2_inference_steps"]) == (12, 9)
    # guidance means nothing to distilled generators
    assert (first["use_stage1_distillation"], first["use_stage2_distillation"]) == (True, False)
    assert second["stage2_inference_steps"] == 4 and second["use_stage2_distillation"]


def test_the_coarse_shape_is_where_the_object_is(start: Any) -> None:
    engine = start()
    assert isinstance(engine, GenerativeEngine)
    asset = engine.generate(IMAGE, MASK, GenerationControls(coarse=True), camera=CAMERA)
    placed = trimesh.Trimesh(asset.pose.apply(asset.mesh.vertices), asset.mesh.faces, process=False)
    assert placed.is_watertight and placed.volume > 0
    # a voxel is 1/64 of the cube, which is 0.8 long here
    assert cKDTree(VERTICES).query(placed.vertices)[0].max() < 0.08
    assert asset.silhouette_iou is not None and asset.silhouette_iou > 0.9
    assert {"coarse", "generated"} <= set(asset.flags) and asset.pointmap is None
    np.testing.assert_array_equal(asset.splat.colors, 0.5)


def test_the_points_of_the_image_lie_on_the_rays_of_its_camera(start: Any) -> None:
    points = start().generate(IMAGE, MASK, GenerationControls(pointmap=True), camera=CAMERA).pointmap
    assert points.shape == (HEIGHT, WIDTH, 3) and points.dtype == np.float32
    u, v = CAMERA.project(points[[10], [300]].astype(np.float64))[0]
    assert (u, v) == pytest.approx((300.5, 10.5), abs=1e-3)
