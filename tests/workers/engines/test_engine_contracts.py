"""What every engine of a kind promises, checked on the engines that are loaded here."""

from typing import Any

import numpy as np
import pytest
import trimesh

from tests.support.scenes import draw_ball, make_wall
from workers.engines.protocols import (
    BodyEngine,
    ConceptEngine,
    ObjectEngine,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.engines.registry import EngineSet, load_engines
from workers.geometry.boxes import bounding_box
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engines() -> EngineSet:
    return load_engines("default")


@pytest.fixture(scope="module")
def photo() -> tuple[Any, Any]:
    image = make_wall()
    return image, draw_ball(image, (120, 150), 60, (220, 60, 40))


def test_every_kind_is_there_and_describes_itself(engines: EngineSet) -> None:
    assert engines.failures == {}
    for description in engines.describe():
        assert (
            description["available"]
            and description["capabilities"]
            and description["limits"]
            and description["licence"]
        )
        assert all(len(sha) == 64 for sha in description["weights"].values())


def test_concepts(engines: EngineSet, photo: tuple[Any, Any]) -> None:
    image, mask = photo
    engine = engines.concepts()
    assert isinstance(engine, ConceptEngine)
    handle = engine.embed(image, "a")
    assert handle.size == image.shape[:2]
    clicks = [
        VisualPrompt(box=bounding_box(mask)),
        VisualPrompt(points=np.array([[150.0, 120.0]]), labels=np.array([1])),
    ]
    instances = engine.segment(handle, clicks)
    assert [item.prompt for item in instances] == [0, 1]
    assert mask_iou(instances[0].mask, mask) > 0.9
    for item in instances:
        assert item.mask.dtype == np.bool_ and item.mask.shape == image.shape[:2]
        assert item.box == bounding_box(item.mask)
    assert engine.ground(handle, []) == []


def test_trackers_answer_each_frame_once_and_resume(engines: EngineSet) -> None:
    engine = engines.concepts()
    frames = []
    for index in range(8):
        image = make_wall()
        mask = draw_ball(image, (120, 80 + 4 * index), 40, (220, 60, 40))
        frames.append(VideoFrame(index, index * 512, image))
        if index == 0:
            prompts = TrackPrompts.from_visual_prompts([VisualPrompt(box=bounding_box(mask))])
    whole = engine.tracker(prompts)
    expected = [result for frame in frames for result in whole.step(frame)] + list(whole.finish())
    assert [(r.index, r.pts) for r in expected] == [(f.index, f.pts) for f in frames]
    first = engine.tracker(prompts)
    got = [result for frame in frames[:6] for result in first.step(frame)]
    second = engine.tracker(prompts, state=first.snapshot())
    got += [result for frame in frames[6:] for result in second.step(frame)] + list(second.finish())
    for a, b in zip(expected, got, strict=True):
        assert [(o.id, o.box, o.score) for o in a.objects] == [(o.id, o.box, o.score) for o in b.objects]
        assert all((x.mask == y.mask).all() for x, y in zip(a.objects, b.objects, strict=True))


def test_objects(engines: EngineSet, photo: tuple[Any, Any]) -> None:
    image, mask = photo
    engine = engines.objects()
    assert isinstance(engine, ObjectEngine)
    asset, again = (engine.reconstruct(image, mask, seed=1) for _ in range(2))
    placed = asset.pose.apply(asset.mesh.vertices)
    assert mask_iou(silhouette(placed, asset.mesh.faces, asset.camera), mask) >= 0.97
    assert trimesh.Trimesh(asset.mesh.vertices, asset.mesh.faces).is_watertight
    assert np.array_equal(asset.mesh.vertices, again.mesh.vertices)
    assert np.array_equal(asset.splat.means, again.splat.means)
    with pytest.raises(ValueError, match=r"."):
        engine.reconstruct(image, np.zeros_like(mask))


def test_bodies(engines: EngineSet) -> None:
    import skimage.data

    engine = engines.bodies()
    assert isinstance(engine, BodyEngine)
    image = skimage.data.astronaut()
    bodies = engine.recover(image, [(20, 16, 360, 512), (400, 0, 512, 60)])
    assert len(bodies) == 2
    body = bodies[0]
    assert body is not None and bodies[1] is None
    assert body.vertices.shape == body.rig.rest_vertices.shape
    np.testing.assert_allclose(body.rig.skin_weights.sum(axis=1), 1, atol=1e-6)
    assert (body.vertices[:, 2] > 0).all()
