"""`generation` and the point map of an objects job: what reaches the engine."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import ObjectsJob
from pydantic import ValidationError

from workers.engines.protocols import EngineInfo, GenerationControls, ObjectAsset
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity
from workers.jobs.objects.extras import write_extras
from workers.jobs.objects.reconstruction import MeasuredView, ReconstructedObject, reconstruct_objects

EMPTY: Any = [np.zeros((0, size), np.float32) for size in (3, 4, 3, 1, 3)]
POINTS = np.full((6, 10, 3), 2.0, np.float32)
ASSET = ObjectAsset(
    mesh=Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), None),
    splat=Gaussians(*EMPTY),
    pose=Similarity(),
    camera=Camera(20, 12, 30.0, 30.0, 10.0, 6.0),
    scale_source="relative",
    confidence=1.0,
    silhouette_iou=None,
    pointmap=POINTS,
)


class Generator:
    """Notes its controls."""

    def __init__(self, *capabilities: str) -> None:
        self.info = EngineInfo("fake", "objects", "1", "cpu", "none", capabilities, ())
        self.asked: list[GenerationControls | None] = []

    def reconstruct(self, *_: Any, **__: Any) -> ObjectAsset:
        self.asked.append(None)
        return ASSET

    def generate(self, _image: Any, _mask: Any, controls: GenerationControls, **_: Any) -> ObjectAsset:
        self.asked.append(controls)
        return ASSET


class Context(SimpleNamespace):
    """Keeps what is saved."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engines=SimpleNamespace(objects=lambda: engine), saved={})

    def record_engine(self, _info: Any) -> None:
        """Nothing is recorded."""

    def progress(self, *_: Any, **__: Any) -> None:
        """Nobody watches."""

    def save(self, name: str, role: str, _media_type: str, data: bytes) -> Any:
        self.saved[name] = role, data
        return SimpleNamespace(name=name)


def run(engine: Any, **options: Any) -> tuple[Any, Context, ObjectsJob]:
    context: Any = Context(engine)
    request = ObjectsJob(image={"url": "https://example.org/i"}, text=["cup"], **options)
    image: Any = SimpleNamespace(pixels=np.zeros((12, 20, 3), np.uint8))
    instance: Any = SimpleNamespace(mask=np.ones((12, 20), bool), label="cup")
    objects, _ = reconstruct_objects(context, image, [instance], MeasuredView(None), request)
    return objects, context, request


@pytest.mark.parametrize(
    ("options", "controls"),
    [
        ({}, None),
        ({"generation": {"coarse": True}}, GenerationControls(coarse=True)),
        (
            {"generation": {"shape_steps": 9, "detail_guidance": 0}, "outputs": ["pointmap"]},
            GenerationControls(shape_steps=9, detail_guidance=0, pointmap=True),
        ),
    ],
)
def test_controls_reach_the_engine(options: dict[str, Any], controls: GenerationControls | None) -> None:
    engine = Generator("generation", "pointmap")
    run(engine, **options)
    assert engine.asked == [controls]


@pytest.mark.parametrize(
    "options",
    [
        {"generation": {"shape_steps": 0}},
        {"generation": {"detail_guidance": -1}},
        {"generation": {"steps": 3}},
        {"outputs": ["pointmap"], "multiview": True},
    ],
)
def test_values_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ObjectsJob(image={"url": "https://example.org/i"}, text=["cup"], **options)


def test_the_point_map_is_an_artefact_with_its_camera() -> None:
    objects, context, request = run(Generator("pointmap"), outputs=["pointmap"])
    item: ReconstructedObject = objects[0]
    some: Any = context
    extras, _ = write_extras(some, np.zeros((12, 20, 3), np.uint8), item, request)
    role, data = context.saved[extras["pointmap"]]
    stored = np.load(io.BytesIO(data))
    assert role == "pointmap"
    np.testing.assert_array_equal(stored["points"], POINTS)
    # half the image's size, so half its focal length
    np.testing.assert_allclose(stored["intrinsics"], [[15, 0, 5], [0, 15, 3], [0, 0, 1]])
