"""The adapter of SAM 3D Objects against a FAKE upstream (`sam3d_objects_fake`), and poses of the real code.

No test here runs the real network: its weights are gated and it needs a GPU.
"""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from tests.support.paths import GOLDEN as GOLDEN_FOLDER
from workers.engines.host.errors import HostCrashed, HostRefused
from workers.engines.objects.export import write_asset_glb, write_asset_splat_ply
from workers.engines.objects.multi_view import from_single_view
from workers.engines.objects.sam3d.coordinates import (
    GLB_FROM_PLY,
    OBJECT_FROM_PLY,
    convert_pose,
    fit_camera,
)
from workers.engines.objects.sam3d.engine import Sam3dObjects
from workers.engines.objects.sam3d.errors import Sam3dObjectsContractError, Sam3dObjectsUnavailable
from workers.engines.objects.sam3d.pointmaps import unproject_depth
from workers.engines.objects.sam3d.settings import Sam3dObjectsSettings
from workers.engines.objects.splats.refinement import refine_in_object_frame
from workers.engines.protocols import (
    MultiViewEngine,
    ObjectEngine,
    RequestRefused,
)
from workers.engines.registry import load_engines
from workers.formats.glb_reader import read_glb
from workers.formats.splat_ply import read_splat_ply
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.mesh_renderer import render_mesh, silhouette
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity, look_at

FAKE = Path(__file__).with_name("sam3d_objects_fake")
GOLDEN = json.loads((GOLDEN_FOLDER / "sam3d_pose.json").read_text())
WIDTH, HEIGHT = 320, 240
CAMERA = Camera(WIDTH, HEIGHT, 400.0, 400.0, WIDTH / 2, HEIGHT / 2)
IMAGE = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def truth() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # the fake brings a torch of its own, which must neither be taken for the real one nor replace it
    names = ("torch", "sam3d_objects")
    real = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(FAKE))
    try:
        return importlib.import_module("sam3d_objects").truth()  # type: ignore[no-any-return]
    finally:
        sys.path.remove(str(FAKE))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(real)


VERTICES, FACES = truth()
MASK = silhouette(VERTICES, FACES, CAMERA)


def settings(folder: Path, profile: str = "standard", **wrong: Any) -> Sam3dObjectsSettings:
    """Settings whose configuration makes the fake do something wrong."""
    config = folder / "pipeline.yaml"
    target = wrong.pop("target", "sam3d_objects.pipeline.Thing")
    config.write_text(
        json.dumps(
            {
                "_target_": target,
                "wrong": wrong,
                "note": str(folder / "note.json"),
                "models": [{"_target_": "torch.nn.Module"}],
            }
        )
    )
    chosen: Any = profile
    return Sam3dObjectsSettings(
        config=config, source=FAKE, profile=chosen, load_seconds=60, request_seconds=60
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts engines and stops them."""
    running: list[Sam3dObjects] = []

    def starter(profile: str = "standard", **wrong: Any) -> Sam3dObjects:
        running.append(Sam3dObjects(settings(tmp_path, profile, **wrong)))
        return running[-1]

    yield starter
    for engine in running:
        engine.close()


def calls(tmp_path: Path) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = json.loads((tmp_path / "note.json").read_text())
    return document


def test_poses_are_those_of_the_real_code() -> None:
    pose = convert_pose(
        np.array(GOLDEN["rotation_wxyz"]), np.array(GOLDEN["translation"]), GOLDEN["scale"][0]
    )
    ply = np.array(GOLDEN["points_ply"])
    np.testing.assert_allclose(pose.apply(ply @ GLB_FROM_PLY.T), GOLDEN["points_opencv_camera"], atol=2e-6)
    np.testing.assert_allclose(ply @ GLB_FROM_PLY.T, ply[:, [0, 2, 1]] * [1, 1, -1])
    np.testing.assert_allclose(OBJECT_FROM_PLY.apply(ply), ply @ GLB_FROM_PLY.T, atol=1e-12)


def test_mesh_splat_and_pose_agree_with_each_other_and_the_image(start: Any) -> None:
    engine = start()
    assert isinstance(engine, ObjectEngine)
    asset = engine.reconstruct(IMAGE, MASK, camera=CAMERA, seed=7)
    placed = asset.pose.apply(asset.mesh.vertices)
    gap = cKDTree(VERTICES).query(placed)[0]
    assert gap.max() < 1e-5
    solid = trimesh.Trimesh(placed, asset.mesh.faces, process=False)
    assert solid.is_watertight and solid.volume > 0
    points = transform(asset.splat, asset.pose).means.astype(np.float64)
    _, away, _ = trimesh.proximity.closest_point_naive(solid, points[::40])
    assert away.max() < 1e-5
    # after every format too
    again = read_splat_ply(write_asset_splat_ply(asset))
    np.testing.assert_allclose(again.means, asset.splat.means, atol=1e-6)
    read = read_glb(write_asset_glb(asset, "block"))
    assert read is not None
    assert asset.silhouette_iou is not None and asset.silhouette_iou > 0.97
    assert asset.scale_source == "relative"
    assert set(asset.flags) == {"generated", "scale_not_metric"}
    np.testing.assert_array_equal(asset.mesh.colors, np.tile([204, 77, 26], (len(asset.mesh.vertices), 1)))


def test_splats_are_finite_and_turn_with_their_centres(start: Any) -> None:
    splat: Gaussians = start().reconstruct(IMAGE, MASK, camera=CAMERA).splat
    np.testing.assert_allclose(np.linalg.norm(splat.rotations, axis=1), 1, atol=1e-5)
    assert splat.opacities.max() < 1 and np.isfinite(splat.means).all()
    # the fake's Gaussians are turned by 0.6 about their own z, which is the canonical y
    w, x, y, z = splat.rotations[0]
    long = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])
    np.testing.assert_allclose(np.abs(long @ GLB_FROM_PLY @ [np.cos(0.6), np.sin(0.6), 0]), 1, atol=1e-5)


def test_the_pointmap_of_an_image_is_computed_once(start: Any, tmp_path: Path) -> None:
    engine = start()
    for seed in (1, 2):
        engine.reconstruct(IMAGE, MASK, seed=seed)
    first, second = calls(tmp_path)
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["pointmaps"] == second["pointmaps"] == 1
    assert first["with_layout_postprocess"] is False and first["with_texture_baking"] is False


def test_the_camera_is_taken_from_the_pointmap_where_none_is_given(start: Any) -> None:
    asset = start().reconstruct(IMAGE, MASK)
    # MoGe's, which the fake has 15% off
    assert asset.camera.source == "estimated" and asset.camera.fx == pytest.approx(460, rel=1e-3)
    assert "camera_estimated" in asset.flags and "scale_not_metric" in asset.flags


def test_a_known_camera_reaches_the_point_map(start: Any) -> None:
    engine = start()
    for camera in (CAMERA, Camera(WIDTH, HEIGHT, 330.0, 330.0, WIDTH / 2, HEIGHT / 2)):
        asset = engine.reconstruct(IMAGE, MASK, camera=camera)
        seen = camera.project(np.array([asset.pose.translation]))[0]
        # where the block's origin is in the picture, whatever focal length MoGe would have found
        np.testing.assert_allclose(seen, CAMERA.project(np.array([[-0.2, 0.1, 3.0]]))[0], atol=0.05)


def test_depth_becomes_a_pointmap_once_and_makes_metres(start: Any, tmp_path: Path) -> None:
    depth = np.full((HEIGHT, WIDTH), 2.5, np.float32)
    depth[:10], depth[10:20], depth[20:30] = np.inf, np.nan, -1.0
    asset = start().reconstruct(IMAGE, MASK, camera=CAMERA, depth=depth)
    (recorded,) = calls(tmp_path)
    assert recorded["infinite"] == 0 and recorded["depth"] == pytest.approx(2.5)
    # PyTorch3D's x points left: the first column lies at positive x
    assert recorded["left"] == pytest.approx(2.5 * 159.5 / 400, rel=1e-4)
    assert asset.scale_source == "metric" and "scale_not_metric" not in asset.flags
    points = unproject_depth(depth, CAMERA)
    actual = fit_camera(points, WIDTH, HEIGHT)
    assert actual is not None and actual.fx == pytest.approx(400, rel=1e-6)
    assert fit_camera(np.full((4, 4, 3), np.nan, np.float32), WIDTH, HEIGHT) is None


@pytest.mark.parametrize(("profile", "steps"), [("fast", 4), ("standard", None)])
def test_profiles(start: Any, tmp_path: Path, profile: str, steps: int | None) -> None:
    start(profile).reconstruct(IMAGE, MASK, camera=CAMERA)
    (recorded,) = calls(tmp_path)
    assert recorded["use_stage1_distillation"] is (profile == "fast")
    assert recorded["stage2_inference_steps"] == steps


def test_without_flash_attention_torch_attends_on_any_card(start: Any, tmp_path: Path) -> None:
    start().reconstruct(IMAGE, MASK, camera=CAMERA)
    wanted = "flash_attn" if importlib.util.find_spec("flash_attn") else "sdpa"
    assert calls(tmp_path)[0]["attention"] == [wanted, wanted]


def test_an_optimised_pose_is_believed_on_evidence_alone(start: Any) -> None:
    well = start("best", optimises="well").reconstruct(IMAGE, MASK, camera=CAMERA)
    assert "pose_optimised" in well.flags and (well.silhouette_iou or 0) > 0.97
    badly = start("best", optimises="badly").reconstruct(IMAGE, MASK, camera=CAMERA)
    assert "pose_not_optimised" in badly.flags and (badly.silhouette_iou or 0) > 0.97
    failed = start("best", optimises="fails").reconstruct(IMAGE, MASK, camera=CAMERA)
    assert not any("optimised" in flag for flag in failed.flags)


def test_too_little_memory_goes_down_a_ladder(start: Any, tmp_path: Path) -> None:
    asset = start(fits="splat_only").reconstruct(IMAGE, MASK, camera=CAMERA)
    assert {"memory_splat_only", "mesh_from_splat"} <= set(asset.flags)
    solid = trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces, process=False)
    assert solid.is_watertight and solid.volume > 0
    # 4,000 Gaussians make a coarse one
    assert (asset.silhouette_iou or 0) > 0.75
    start(fits="fewer_voxels").reconstruct(IMAGE, MASK, camera=CAMERA)
    assert [recorded["voxels"] for recorded in calls(tmp_path)] == [0, 0, 1]
    engine = start(fits="never")
    with pytest.raises(HostRefused) as caught:
        engine.reconstruct(IMAGE, MASK, camera=CAMERA)
    assert caught.value.code == "out_of_memory" and caught.value.fatal


def test_a_crash_is_an_error_and_the_next_object_is_served(start: Any) -> None:
    engine = start(crash=True)
    for _ in range(2):
        with pytest.raises(HostCrashed):
            engine.reconstruct(IMAGE, MASK, camera=CAMERA)


def test_half_a_splat_may_be_broken_but_a_scale_may_not(start: Any) -> None:
    asset = start(nan=True).reconstruct(IMAGE, MASK, camera=CAMERA)
    assert len(asset.splat) == 2000
    with pytest.raises(Sam3dObjectsContractError, match="scale"):
        start(uneven=True).reconstruct(IMAGE, MASK, camera=CAMERA)


def test_an_outline_that_misses_its_mask_is_flagged(start: Any) -> None:
    asset = start().reconstruct(IMAGE, np.roll(MASK, 60, axis=1), camera=CAMERA)
    assert "low_iou" in asset.flags and asset.confidence < 0.7


def test_wrong_input(start: Any) -> None:
    engine = start()
    for mask in (np.zeros_like(MASK), MASK[:-1], MASK.astype(np.uint8) * 255):
        with pytest.raises(ValueError):
            engine.reconstruct(IMAGE, mask)
    with pytest.raises(ValueError):
        engine.reconstruct(IMAGE, MASK, depth=np.ones((3, 3), np.float32))


def test_a_configuration_that_runs_other_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Sam3dObjectsUnavailable, match=r"os\.system"):
        Sam3dObjects(settings(tmp_path, target="os.system"))


def test_a_configuration_inside_the_configuration_is_checked_too(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    outer = json.loads((tmp_path / "pipeline.yaml").read_text()) | {"ss_generator_config_path": "inner.yaml"}
    (tmp_path / "pipeline.yaml").write_text(json.dumps(outer))
    (tmp_path / "inner.yaml").write_text(json.dumps({"module": {"_target_": "subprocess.run"}}))
    with pytest.raises(Sam3dObjectsUnavailable, match=r"inner\.yaml would run subprocess\.run"):
        Sam3dObjects(chosen)


def test_without_a_gpu_the_child_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(Sam3dObjectsUnavailable, match=r"no_gpu.*No CUDA GPUs are available"):
        Sam3dObjects(settings(tmp_path))


def test_without_weights_the_gate_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Sam3dObjectsUnavailable, match="facebook/sam-3d-objects"):
        Sam3dObjects(Sam3dObjectsSettings(config=tmp_path / "nothing.yaml"))
    monkeypatch.delenv("MAQUETTE_SAM3D_OBJECTS_CONFIG", raising=False)
    descriptions = load_engines("sam3d_objects").describe()
    assert descriptions[0]["available"] is False and "gated" in descriptions[0]["why_not"]
    monkeypatch.setenv("MAQUETTE_SAM3D_OBJECTS_PROFILE", "finest")
    with pytest.raises(ValueError, match="finest"):
        Sam3dObjectsSettings()


# the world is the reference camera's frame, 1.7 times as large as upstream, which sees one view, takes it for
TIMES = 1.7
MIDDLE = TIMES * (VERTICES.max(axis=0) + VERTICES.min(axis=0)) / 2
COLORS = np.clip(128 + 127 * np.sin(4 * VERTICES), 0, 255).astype(np.uint8)


def around_the_block(count: int) -> tuple[list[Any], list[Any], list[PosedCamera]]:
    """Photos, masks and cameras that go round the block; the first is the one upstream is asked about."""
    views = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        away = Similarity.from_parts(Rotation.from_rotvec([0, angle, 0]).as_matrix(), (0, 0, 0)).apply(
            -MIDDLE
        )
        views.append(PosedCamera(CAMERA, look_at(MIDDLE + away, MIDDLE, (0, -1, 0))))
    views[0] = PosedCamera(CAMERA, Similarity())
    shots = [
        render_mesh(
            TIMES * VERTICES, FACES, COLORS, CAMERA, view.cam_from_world, background=(9, 9, 9), ambient=1.0
        )
        for view in views
    ]
    return [shot[0] for shot in shots], [np.isfinite(shot[1]) for shot in shots], views


def refine_in_few_steps(*args: Any, **options: Any) -> Any:
    """A third of the steps: enough to see that colours become those of the views."""
    return refine_in_object_frame(*args, **{**options, "steps": 50})


def test_other_views_set_the_size_and_refine_the_splat(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_single_view, "refine_in_object_frame", refine_in_few_steps)
    images, masks, views = around_the_block(10)
    masks[0] |= silhouette(1.02 * TIMES * VERTICES - 0.02 * MIDDLE, FACES, CAMERA)
    engine = start()
    assert isinstance(engine, MultiViewEngine)
    asset = engine.reconstruct_views(images, masks, views, seed=3, metric=True)
    placed = asset.pose.apply(asset.mesh.vertices)
    assert cKDTree(TIMES * VERTICES).query(placed)[0].max() < 0.02 * TIMES
    assert asset.scale_source == "metric" and asset.flags == ("generated",)
    assert asset.silhouette_iou is not None and asset.silhouette_iou > 0.95
    assert asset.views is not None and (asset.views.used, asset.views.arc_degrees) == (10, 360.0)
    if asset.views.refined_gain_db is None:
        pytest.skip("no rasteriser is installed: the splat was not refined")
    # the fake paints everything one orange
    assert asset.views.refined_gain_db > 0.8


def test_an_object_that_other_views_deny_is_flagged(start: Any) -> None:
    images, masks, views = around_the_block(6)
    denied = [masks[0], *(np.roll(mask, 40, axis=1) for mask in masks[1:])]
    asset = start().reconstruct_views(images, denied, views)
    assert {"low_iou", "scale_not_metric"} <= set(asset.flags)
    assert asset.views is not None and asset.views.refined_gain_db is None
    with pytest.raises(RequestRefused, match="1 views show the object"):
        start().reconstruct_views(images, [masks[0], *(np.zeros_like(masks[0]) for _ in range(5))], views)
