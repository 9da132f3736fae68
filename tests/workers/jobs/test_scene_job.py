"""Scene jobs take what objects jobs take: masks, boxes, points, an earlier job, depth, extra outputs."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from maquette.contract import Manifest, MediaRef, Rle, SceneJob, SegmentJob
from pydantic import ValidationError

from tests.support.media_files import encode_png
from tests.support.synthetic_bodies import make_body
from tests.support.video_worlds import VideoWorld
from tests.support.viewer_pages import PageReader
from workers.engines.objects import export
from workers.engines.objects.default import DefaultObjects
from workers.engines.protocols import BodyEstimate, EngineInfo, SegmentedInstance, VisualPrompt
from workers.formats import rle
from workers.formats.simulation import convex_parts
from workers.geometry.mesh_renderer import rasterize
from workers.jobs.context import JobContext
from workers.jobs.objects.reconstruction import MeasuredView
from workers.jobs.scene.measured_bodies import place_at_depth

W, H = 160, 120
# metres
RADIUS, DISTANCE, WALL = 0.2, 1.5, 2.5
CAMERA = {"fx": 150.0, "fy": 150.0, "cx": 80.0, "cy": 60.0}
EARLIER = "job_" + "0" * 28


def draw_ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """The image, mask and depth in metres of a red ball before a wall."""
    y, x = np.mgrid[:H, :W] + 0.5
    rays = np.stack([(x - 80) / 150, (y - 60) / 150, np.ones_like(x)], axis=-1)
    squared = (rays**2).sum(axis=-1)
    discriminant = DISTANCE**2 - squared * (DISTANCE**2 - RADIUS**2)
    mask = discriminant >= 0
    z = np.where(mask, (DISTANCE - np.sqrt(np.maximum(discriminant, 0))) / squared, WALL)
    image = np.full((H, W, 3), (90, 110, 130), np.uint8)
    image[mask] = (200, 80, 40)
    return image, mask, z


IMAGE, MASK, DEPTH = draw_ball()
RLE = Rle.model_validate(rle.encode_mask(MASK))
BOX = (55.0, 35.0, 105.0, 85.0)


class Concepts:
    """Segments the ball, whatever is asked for."""

    info = EngineInfo("fake", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def check(self, phrases: Sequence[str]) -> None:
        return

    def embed(self, image: Any, key: str) -> str:
        return key

    def ground(self, handle: Any, phrases: Sequence[str], **_: Any) -> list[SegmentedInstance]:
        return [SegmentedInstance(MASK, BOX, 0.9, 0, phrases[0])]

    def segment(self, handle: Any, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        return [SegmentedInstance(MASK, BOX, 0.9, index, None) for index, _ in enumerate(prompts)]


class Bodies:
    """Finds one body per box."""

    info = EngineInfo("fake", "bodies", "1", "cpu", "Apache-2.0", (), ())

    def recover(self, image: Any, boxes: Sequence[Any], *_: Any, camera: Any, seed: int) -> list[Any]:
        assert camera is not None
        return [replace(make_body(), camera=camera) for _ in boxes]


class World(VideoWorld):
    def __init__(self, folder: Path) -> None:
        objects = DefaultObjects(splats=200, refine_steps=0)
        engines = {"concepts": Concepts(), "objects": objects, "bodies": Bodies()}
        super().__init__(folder, engines, 2, (64, 64))
        image, depth = folder / "image.png", folder / "depth.npy"
        image.write_bytes(encode_png(IMAGE))
        np.save(depth, DEPTH.astype(np.float32))
        self.image, self.depth = self.add_media(image), self.add_media(depth)

    def run(self, **fields: Any) -> Manifest:
        request = SceneJob.model_validate(fields)
        return self.attempt(self.submit(request), request)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    world = World(tmp_path_factory.mktemp("scenes"))
    yield world
    world.close()


PROMPTS: dict[str, dict[str, Any]] = {
    "text": {"text": ["ball"]},
    "boxes": {"boxes": [{"x0": 55, "y0": 35, "x1": 105, "y1": 85}]},
    "points": {"points": [[{"x": 80, "y": 60}]]},
    "masks": {"masks": [RLE]},
}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_gives_an_object_in_metres_with_depth(scenes: World, prompt: str) -> None:
    depth = {"media": scenes.depth, "metres_per_unit": 1.0}
    manifest = scenes.run(image=scenes.image, camera=CAMERA, depth=depth, **PROMPTS[prompt])
    [node] = manifest.result.nodes
    assert (node.kind, node.scale_source) == ("object", "metric")
    assert node.pose.translation == pytest.approx((0, 0, DISTANCE), abs=0.06)
    assert node.pose.scale == pytest.approx(2 * RADIUS, rel=0.12)
    assert node.label == ("ball" if prompt == "text" else None)


@pytest.mark.parametrize(("text", "kind"), [("ball", "object"), ("person", "body")])
@pytest.mark.parametrize("measured", [False, True])
def test_the_page_of_a_scene_shows_objects_and_bodies(
    scenes: World, text: str, kind: str, measured: bool
) -> None:
    depth = {"depth": {"media": scenes.depth, "metres_per_unit": 1.0}} if measured else {}
    manifest = scenes.run(image=scenes.image, camera=CAMERA, text=[text], formats=["glb", "html"], **depth)
    assert [node.kind for node in manifest.result.nodes] == [kind]
    hashes = {item.name: item.sha256 for item in manifest.artefacts}
    scene, page = (scenes.store.get(hashes[manifest.result.files[name]]) for name in ("glb", "html"))
    shown = PageReader(page)
    bounds = [trimesh.load_scene(io.BytesIO(data), file_type="glb").bounds for data in (scene, shown.payload)]
    np.testing.assert_allclose(bounds[0], bounds[1], atol=1e-5)
    assert shown.fields["metres_per_unit"] == (1.0 if measured else None)


def test_a_scene_job_continues_a_segment_job(scenes: World) -> None:
    request = SegmentJob(image=scenes.image, text=["ball"])
    segmented = scenes.attempt(scenes.submit(request), request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobContext, "load_manifest", lambda self, job_id: segmented)
        manifest = scenes.run(from_job=EARLIER, camera=CAMERA)
    assert [node.label for node in manifest.result.nodes] == ["ball"]
    assert manifest.provenance.from_job == EARLIER


def test_objects_of_a_scene_have_the_extra_outputs_of_objects(
    scenes: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # coarse parts and textures: their quality is tested elsewhere
    monkeypatch.setattr(convex_parts, "VOXELS", 4000)
    monkeypatch.setattr(export, "TEXTURED_FACES", 300)
    monkeypatch.setattr(export, "TEXTURE_SIDE", 128)
    options = {"outputs": ["placed", "turntable", "simulation"], "turntable_size": 64}
    options |= {"turntable_seconds": 0.5, "density": 500.0, "longest_side_m": 0.4}
    manifest = scenes.run(image=scenes.image, camera=CAMERA, masks=[RLE], **options)
    [node] = manifest.result.nodes
    assert node.extras.keys() == {"placed", "turntable", "simulation"}
    hashes = {item.name: item.sha256 for item in manifest.artefacts}
    with zipfile.ZipFile(io.BytesIO(scenes.store.get(hashes[node.extras["simulation"]]))) as archive:
        summary = json.loads(archive.read("simulation.json"))
    assert summary["scale_source"] == "given" and "mass_not_metric" not in node.flags
    assert 0.4 < summary["mass_kg"] / (500 * 4 / 3 * np.pi * 0.2**3) < 1.3
    unknown = scenes.run(image=scenes.image, camera=CAMERA, masks=[RLE], outputs=["simulation"])
    assert "mass_not_metric" in unknown.result.nodes[0].flags


def test_people_become_bodies_at_their_measured_distance(scenes: World) -> None:
    depth = {"media": scenes.depth, "metres_per_unit": 1.0}
    alone, measured = (
        scenes.run(image=scenes.image, camera=CAMERA, text=["person"], **extra)
        for extra in ({}, {"depth": depth})
    )
    assert [node.kind for node in (*alone.result.nodes, *measured.result.nodes)] == ["body", "body"]
    assert alone.result.nodes[0].scale_source == "prior"
    assert measured.result.nodes[0].scale_source == "metric"
    assert "scale_from_depth" in measured.result.nodes[0].flags


@pytest.mark.parametrize(("label", "kind"), [("ball", "object"), ("person", "body"), (None, "object")])
def test_a_mask_says_what_it_shows(scenes: World, label: str | None, kind: str) -> None:
    labels = {"mask_labels": [label]} if label else {}
    [node] = scenes.run(image=scenes.image, camera=CAMERA, masks=[RLE], **labels).result.nodes
    assert (node.label, node.kind) == (label, kind)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
def test_a_body_is_moved_along_its_rays_to_the_depth_map(factor: float) -> None:
    body = replace(make_body(), flags=("scale_not_metric",))
    depth = factor * rasterize(body.vertices, body.rig.faces, body.camera).depth
    mask = np.isfinite(depth)
    depth[~mask] = 9.0
    depth[::3] = np.nan
    view = MeasuredView(body.camera, depth.astype(np.float32), unit_assumed=True)
    placed = place_at_depth(body, mask, view)
    np.testing.assert_allclose(placed.vertices, factor * body.vertices, rtol=1e-5)
    np.testing.assert_allclose(
        body.camera.project(placed.vertices), body.camera.project(body.vertices), atol=1e-6
    )
    assert placed.scale_source == "metric"
    assert {"scale_from_depth", "depth_unit_assumed"} <= set(placed.flags)
    assert "scale_not_metric" not in placed.flags


def test_without_a_known_depth_a_body_stays_where_it_is() -> None:
    body: BodyEstimate = make_body()
    unknown = np.full((body.camera.height, body.camera.width), np.nan, np.float32)
    everywhere = np.ones(unknown.shape, np.bool_)
    assert place_at_depth(body, everywhere, MeasuredView(body.camera, unknown)) is body
    assert place_at_depth(body, everywhere, MeasuredView(body.camera)) is body


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "image"),
        ({"image": MediaRef(id="a" * 64)}, "which objects"),
        ({"image": MediaRef(id="a" * 64), "from_job": EARLIER}, "from_job"),
        ({"from_job": EARLIER, "text": ["cat"]}, "from_job"),
        ({"image": MediaRef(id="a" * 64), "masks": [RLE], "mask_labels": ["a", "b"]}, "one label"),
        ({"image": MediaRef(id="a" * 64), "text": ["cat"], "mask_labels": ["a"]}, "one label"),
        ({"from_job": EARLIER, "turntable_size": 65}, "turntable_size"),
        ({"from_job": EARLIER, "turntable_size": 2048}, "turntable_size"),
        ({"from_job": EARLIER, "turntable_seconds": 21}, "turntable_seconds"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        SceneJob.model_validate(fields)
