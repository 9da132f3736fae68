"""Our adapter around upstream's own pipeline on a CPU; its networks are STAND-INS: make test-sam3."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")
pytest.importorskip("tests.parity.meta_kernels")
pytest.importorskip("omegaconf", reason="upstream's code is not on the path: make test-sam3")

from tests.parity.sam3d_objects_imports import upstream_on_cpu  # noqa: E402
from tests.parity.sam3d_objects_networks import (  # noqa: E402
    DISTANCE,
    FOCAL,
    HEIGHT,
    MOGE_FOCAL,
    SIZE,
    TURN,
    WIDTH,
    build_pipeline,
)
from workers.engines.host.arrays import pack, unpack  # noqa: E402
from workers.engines.objects.sam3d import child  # noqa: E402
from workers.engines.objects.sam3d import engine as adapter  # noqa: E402
from workers.engines.objects.sam3d.settings import Sam3dObjectsSettings  # noqa: E402
from workers.engines.protocols import GenerationControls  # noqa: E402
from workers.geometry.cameras import Camera  # noqa: E402

# upstream names CUDA, and warns of itself
pytestmark = pytest.mark.filterwarnings("ignore")
CAMERA = Camera(WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
IMAGE = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
# far off the middle, where a wrong focal length shows
MIDDLE = np.array([262.0, 70.0])
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH] + 0.5
MASK = np.hypot(COLUMNS - MIDDLE[0], ROWS - MIDDLE[1]) < SIZE / 2 * FOCAL / DISTANCE


class SameProcess:
    """The host of an engine whose child is an object: messages are packed as they are for another process."""

    def __init__(self, spec: Any) -> None:
        self.child = child.Pipeline(json.loads(json.dumps(dict(spec.config))))

    def ask(self, fields: Any, arrays: Any) -> Any:
        sent = json.loads(json.dumps(fields))
        answer, out = self.child.answer(sent, unpack(*_through(arrays)))
        return SimpleNamespace(fields=json.loads(json.dumps(answer)), arrays=unpack(*_through(out)))


def _through(arrays: Any) -> tuple[Any, bytes]:
    descriptions, payload = pack(arrays)
    return json.loads(json.dumps(descriptions)), payload


@pytest.fixture(scope="module")
def upstream() -> Iterator[ModuleType]:
    with upstream_on_cpu() as module:
        yield module


@pytest.fixture
def start(upstream: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts the adapter on a pipeline of upstream's; returns both."""
    (tmp_path / "pipeline.yaml").write_text("_target_: sam3d_objects.pipeline.Thing\n")

    def starter(profile: Any = "standard") -> tuple[adapter.Sam3dObjects, Any]:
        pipeline = build_pipeline(upstream)
        hydra = ModuleType("hydra.utils")
        hydra.instantiate = lambda settings: pipeline  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "hydra", ModuleType("hydra"))
        monkeypatch.setitem(sys.modules, "hydra.utils", hydra)
        monkeypatch.setattr(child, "require_gpu", lambda _: None)
        monkeypatch.setattr(adapter, "EngineHost", SameProcess)
        monkeypatch.setattr(adapter, "start_host", lambda host, _: host.child.ready[0])
        settings = Sam3dObjectsSettings(config=tmp_path / "pipeline.yaml", profile=profile)
        return adapter.Sam3dObjects(settings), pipeline

    return starter


@pytest.mark.parametrize("focal", [FOCAL, 330.0])
def test_a_known_camera_decides_where_the_object_is(start: Any, focal: float) -> None:
    """MoGe's own focal length is 15% off; 100 px from the middle that would be 15 px."""
    engine, _ = start()
    camera = Camera(WIDTH, HEIGHT, focal, focal, WIDTH / 2, HEIGHT / 2)
    asset = engine.reconstruct(IMAGE, MASK, camera=camera)
    seen = camera.project(np.array([asset.pose.translation]))[0]
    np.testing.assert_allclose(seen, MIDDLE, atol=1.0)
    assert asset.pose.translation[2] == pytest.approx(DISTANCE * focal / FOCAL, rel=1e-3)


def test_without_a_camera_pose_and_camera_are_those_of_moge(start: Any) -> None:
    asset = start()[0].reconstruct(IMAGE, MASK)
    assert "camera_estimated" in asset.flags and asset.camera.fx == pytest.approx(MOGE_FOCAL, rel=1e-3)
    np.testing.assert_allclose(asset.camera.project(np.array([asset.pose.translation]))[0], MIDDLE, atol=1.0)


def test_mesh_splat_and_pose_come_in_our_frames(start: Any) -> None:
    asset = start()[0].reconstruct(IMAGE, MASK, camera=CAMERA)
    assert asset.silhouette_iou is not None and asset.silhouette_iou > 0.93
    np.testing.assert_allclose(np.linalg.norm(asset.mesh.vertices, axis=1), 0.5, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(asset.splat.means, axis=1), 0.5, atol=1e-3)
    assert np.ptp(asset.pose.apply(asset.mesh.vertices)[:, 0]) == pytest.approx(SIZE, rel=2e-3)
    np.testing.assert_allclose(asset.mesh.colors[0], [204, 76.5, 25.5], atol=0.5)
    np.testing.assert_allclose(asset.splat.colors[0], [0.8, 0.3, 0.1], atol=1e-5)
    # rows of points are multiplied by upstream's matrix; x is the same axis in its frame and in ours
    across = asset.pose.apply(np.array([[1.0, 0, 0]])) - asset.pose.translation
    np.testing.assert_allclose(across[0] / SIZE, TURN[0] * [-1, -1, 1], atol=1e-3)


def test_upstream_reads_the_controls_of_one_request(start: Any) -> None:
    engine, pipeline = start("fast")
    asked = GenerationControls(shape_steps=12, detail_steps=9, detail_guidance=0.0)
    for controls in (asked, GenerationControls()):
        engine.generate(IMAGE, MASK, controls, camera=CAMERA)
    first, second = (pipeline.models[name].asked for name in ("ss_generator", "slat_generator"))
    names = ("steps", "strength", "shortcut")
    assert [tuple(each[name] for name in names) for each in first] == [(12, 0, True), (4, 0, True)]
    assert [tuple(each[name] for name in names) for each in second] == [(9, 0, False), (4, 0, True)]
    assert (pipeline.ss_cfg_strength, pipeline.slat_cfg_strength) == (7, 5)


def test_the_first_stage_alone_is_a_coarse_shape(start: Any) -> None:
    engine, pipeline = start()
    asset = engine.generate(IMAGE, MASK, GenerationControls(coarse=True, pointmap=True), camera=CAMERA)
    assert not pipeline.models["slat_generator"].asked and "coarse" in asset.flags
    assert asset.silhouette_iou is not None and asset.silhouette_iou > 0.9
    seen = CAMERA.project(asset.pointmap[[70], [262]].astype(np.float64))[0]
    np.testing.assert_allclose(seen, [262.5, 70.5], atol=0.01)


def test_points_are_clipped_by_the_object_and_not_by_the_whole_picture(start: Any) -> None:
    engine, pipeline = start()
    # upstream leaves out what is 5 times as far as the object; the sky is beyond that, the ball is not
    pipeline.depth_model.model.far = 6 * DISTANCE
    asset = engine.generate(IMAGE, MASK, GenerationControls(pointmap=True))
    assert pipeline.clip_pointmap_beyond_scale == 5.0
    sky = HEIGHT // 4 * WIDTH
    assert np.isfinite(asset.pointmap).all(axis=2).sum() == HEIGHT * WIDTH
    known = pipeline.models["ss_generator"].asked[0]["known"]
    assert known < 1 - 0.9 * sky / WIDTH**2


def test_too_little_memory_leaves_the_splat(start: Any) -> None:
    engine, pipeline = start()
    pipeline.models["slat_decoder_mesh"].fits = False
    asset = engine.reconstruct(IMAGE, MASK, camera=CAMERA)
    assert {"memory_splat_only", "mesh_from_splat"} <= set(asset.flags)


@pytest.mark.parametrize("failure", [ZeroDivisionError("no surface"), AssertionError(), OSError(2, "gone")])
def test_whatever_fails_in_the_layout_the_object_keeps_its_pose(start: Any, failure: Exception) -> None:
    engine, pipeline = start("best")

    def fail(*_: Any, **__: Any) -> None:
        raise failure

    pipeline.layout_post_optimization_method = fail
    asset = engine.reconstruct(IMAGE, MASK, camera=CAMERA)
    assert not any("optimised" in flag for flag in asset.flags)


def test_an_optimised_layout_is_upstreams_own_answer(start: Any) -> None:
    engine, pipeline = start("best")
    asked: list[Any] = []

    def move(mesh: Any, rotation: Any, translation: Any, scale: Any, mask: Any, *more: Any, **_: Any) -> Any:
        asked.append((type(mesh).__name__, tuple(mask.shape), more[1]))
        return rotation, translation + torch.tensor([[0.5, 0.0, 0.0]]), scale, 0.4, True, True

    pipeline.layout_post_optimization_method = move
    asset = engine.reconstruct(IMAGE, MASK, camera=CAMERA)
    assert asked and asked[0][0] == "Trimesh" and "pose_not_optimised" in asset.flags
