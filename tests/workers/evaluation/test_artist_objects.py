"""Shapes and layouts of drawn objects with known answers."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.support.evaluation_sets import draw_image, write_json
from tests.support.oracle_engines import describe_oracle, draw_box
from workers.engines.protocols import EngineInfo, ObjectAsset
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.errors import LayoutError
from workers.evaluation.metrics.point_sets import align_points, measure_diameter
from workers.evaluation.metrics.shapes import measure_voxel_iou, score_layout, score_shape
from workers.evaluation.orchestration import run_evaluation
from workers.geometry.cameras import Camera
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity

FAST = ("points=4000", "voxels=8")
POSE = Similarity((np.cos(0.2), 0.0, np.sin(0.2), 0.0), (0.1, 0.2, 3.0), 0.5)


def make_box(x: float, y: float, z: float) -> Mesh:
    box = trimesh.creation.box((x, y, z)).subdivide()
    return Mesh(np.asarray(box.vertices, np.float64), np.asarray(box.faces, np.int64))


@dataclass
class OracleObjects:
    mesh: Mesh
    pose: Similarity
    info: EngineInfo = field(default_factory=lambda: describe_oracle("objects"))

    def reconstruct(self, image: Any, mask: Any, *, camera: Camera | None = None, **rest: Any) -> ObjectAsset:
        assert image.shape[:2] == mask.shape and mask.sum() == 200
        used = camera or Camera.assumed(mask.shape[1], mask.shape[0])
        splat: Any = None
        return ObjectAsset(self.mesh, splat, self.pose, used, "metric", 1.0, None)


def draw_object(folder: Path) -> Mesh:
    """A box with a pose; none of its faces lies between two voxels."""
    draw_image(folder / "chair" / "image.jpg", 100)
    mask = draw_box((60, 80), 10, 10, 20, 10)
    Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "chair" / "mask.png")
    mesh = make_box(2, 1.1, 0.7)
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(folder / "chair" / "mesh.glb")
    pose = {"rotation": POSE.rotation, "translation": POSE.translation, "scale": POSE.scale}
    write_json(folder / "chair" / "pose.json", pose)
    return mesh


def test_a_perfect_oracle_scores_one_whatever_its_units(tmp_path: Path) -> None:
    mesh = draw_object(tmp_path)
    benchmark = load_benchmark("sa-3dao", tmp_path, changes=FAST)
    perfect = run_evaluation(benchmark, OracleObjects(mesh, POSE), tmp_path.with_name("perfect")).scores
    assert perfect["F1@0.01"] == pytest.approx(1, abs=0.01) and perfect["vIoU"] == pytest.approx(1, abs=0.03)
    assert perfect["Chamfer"] == pytest.approx(0, abs=1e-3)
    assert perfect["3D_IoU"] == pytest.approx(1, abs=1e-3) and perfect["ADD_S@0.1"] == 1
    assert perfect["ICP_Rot"] == pytest.approx(0, abs=0.1) and perfect["ADD_S"] == pytest.approx(0, abs=1e-3)
    # the same object in other units, with a pose that undoes them
    large = replace(mesh, vertices=mesh.vertices * 10 + 3)
    undone = Similarity(scale=0.1).compose(Similarity(translation=(-3.0, -3.0, -3.0)))
    other = OracleObjects(large, POSE.compose(undone), describe_oracle("objects", version="2"))
    again = run_evaluation(benchmark, other, tmp_path.with_name("again")).scores
    assert again["F1@0.01"] == pytest.approx(1, abs=0.01)
    assert again["3D_IoU"] == pytest.approx(1, abs=1e-3)


def test_a_shifted_pose_scores_what_its_boxes_say(tmp_path: Path) -> None:
    mesh = draw_object(tmp_path)
    upright = replace(POSE, rotation=(1.0, 0.0, 0.0, 0.0))
    write_json(
        tmp_path / "chair" / "pose.json",
        {"rotation": [1, 0, 0, 0], "translation": upright.translation, "scale": upright.scale},
    )
    # half as large, so 1 long; moved by a quarter of a metre along x: 0.75 of 1.25 is shared
    moved = replace(upright, translation=(0.35, 0.2, 3.0))
    benchmark = load_benchmark("sa-3dao", tmp_path, changes=FAST)
    scores = run_evaluation(benchmark, OracleObjects(mesh, moved), tmp_path.with_name("moved")).scores
    assert scores["3D_IoU"] == pytest.approx(0.75 / 1.25, abs=0.01)
    assert scores["F1@0.01"] == pytest.approx(1, abs=0.01), "a pose changes no shape"
    other = run_evaluation(
        benchmark,
        OracleObjects(make_box(2, 2, 2), moved, describe_oracle("objects", version="3")),
        tmp_path.with_name("other"),
    ).scores
    assert (other["F1@0.01"] or 0) < 0.2 and (other["vIoU"] or 0) < 0.2 and (other["Chamfer"] or 0) > 0.2


def test_a_shape_is_aligned_before_it_is_scored(tmp_path: Path) -> None:
    """A quarter turn about the vertical, which a start of the alignment undoes."""
    mesh = draw_object(tmp_path)
    quarter = Similarity((np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0))
    turned = OracleObjects(replace(mesh, vertices=quarter.apply(mesh.vertices)), POSE)
    benchmark = load_benchmark("sa-3dao", tmp_path, changes=(*FAST, "yaws=4"))
    scores = run_evaluation(benchmark, turned, tmp_path.with_name("turned")).scores
    assert scores["F1@0.01"] == pytest.approx(1, abs=0.01)
    assert scores["Chamfer"] == pytest.approx(0, abs=1e-3)


def test_points_are_scored_as_computed_by_hand() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 10)] * 3), axis=-1).reshape(-1, 3)
    half = np.arange(len(grid)) % 2 == 0
    moved = grid + np.where(half, 0.005, 0.02)[:, None] * np.array([1.0, 0, 0])
    scores = score_shape(moved, grid, 10)
    assert scores["F1@0.01"] == pytest.approx(0.5) and scores["Chamfer"] == pytest.approx(0.0125)
    cells = (np.arange(8)[:, None] + 0.5) / 4 - 1 + np.zeros((1, 3))
    assert measure_voxel_iou(cells[:6], cells[2:], 8) == pytest.approx(4 / 8)
    corners = np.array([[x, y, z] for x in (0, 3) for y in (0, 4) for z in (0, 12)], np.float64)
    assert measure_diameter(corners) == pytest.approx(13)
    assert score_layout(corners, corners)["ADD_S"] == 0


def test_alignment_undoes_a_small_turn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, (800, 3)) * (1, 0.5, 0.25)
    turn = Similarity((np.cos(0.1), 0.0, 0.0, np.sin(0.1)), (0.05, 0.0, 0.0))
    rotation, translation, error = align_points(turn.apply(truth), truth)
    assert error < 1e-6
    assert np.allclose(turn.apply(truth) @ rotation.T + translation, truth, atol=1e-6)
    assert score_layout(turn.apply(truth), truth)["ICP_Rot"] == pytest.approx(np.degrees(0.2), abs=1e-3)


def test_broken_objects_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no folders of objects"):
        load_benchmark("sa-3dao", tmp_path)
    mesh = draw_object(tmp_path)
    pose = tmp_path / "chair" / "pose.json"
    for change, text in (({"scale": 0}, "scale"), ({"rotation": [1, 0]}, "no pose")):
        pose.write_text(
            json.dumps({"rotation": [1, 0, 0, 0], "translation": [0, 0, 1], "scale": 1, **change})
        )
        with pytest.raises(LayoutError, match=text):
            run_evaluation(
                load_benchmark("sa-3dao", tmp_path, changes=FAST),
                OracleObjects(mesh, POSE),
                tmp_path.with_name("x"),
            )
    (tmp_path / "chair" / "mesh.glb").write_bytes(b"no mesh")
    with pytest.raises(LayoutError, match=r"mesh\.glb is no mesh"):
        benchmark = load_benchmark("sa-3dao", tmp_path, changes=FAST)
        run_evaluation(benchmark, OracleObjects(mesh, POSE), tmp_path.with_name("y"))
    (tmp_path / "chair" / "mask.png").unlink()
    with pytest.raises(LayoutError, match="the mask is missing"):
        load_benchmark("sa-3dao", tmp_path)
