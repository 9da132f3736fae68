"""The ground plane of objects and scene jobs: from the mask of the floor to the result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import Manifest, MediaRef, ObjectsJob, Problem, Rle, SceneJob, SegmentJob
from pydantic import ValidationError

from tests.support.media_files import encode_png
from tests.support.video_worlds import VideoWorld
from workers.engines.protocols import EngineInfo, GroundPlane, Mask, RequestRefused, SegmentedInstance
from workers.errors import JobProblem
from workers.formats import rle
from workers.jobs.context import JobContext

H, W = 12, 20
FLOOR = np.zeros((H, W), bool)
FLOOR[7:, 2:] = True
CAMERA = {"fx": 30.0, "fy": 30.0, "cx": 10.0, "cy": 6.0}
PLANE = GroundPlane(normal=(0.0, -0.8, -0.6), offset=1.6, scale_source="relative", inlier_share=0.9)
JOBS = {"objects": ObjectsJob, "scene": SceneJob}


def encode(mask: Mask) -> Rle:
    return Rle.model_validate(rle.encode_mask(mask))


class Concepts:
    """Finds nothing: the plane needs no object."""

    info = EngineInfo("fake", "concepts", "1", "cpu", "none", (), ())

    def check(self, phrases: Sequence[str]) -> None:
        return

    def embed(self, image: Any, key: str) -> str:
        return key

    def ground(self, *_: Any, **__: Any) -> list[SegmentedInstance]:
        return []


class Objects:
    """Notes what it is asked, and sees no plane under a single pixel."""

    info = EngineInfo("grounded", "objects", "1", "cpu", "none", ("ground_plane",), ())

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def reconstruct(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("there is no object")

    def find_ground(self, image: Any, mask: Mask, **options: Any) -> GroundPlane:
        if mask.sum() == 1:
            raise RequestRefused(Problem.from_code("ground_not_found", 422, "too small"))
        self.asked.append({"image": image, "mask": mask, **options})
        return PLANE if options["depth"] is None else replace(PLANE, scale_source="metric")


class Bodies:
    info = EngineInfo("fake", "bodies", "1", "cpu", "none", (), ())


class World(VideoWorld):
    def __init__(self, folder: Path) -> None:
        self.objects = Objects()
        engines = {"concepts": Concepts(), "objects": self.objects, "bodies": Bodies()}
        super().__init__(folder, engines, 2, (64, 64))
        image, depth = folder / "image.png", folder / "depth.npy"
        image.write_bytes(encode_png(np.full((H, W, 3), 90, np.uint8)))
        np.save(depth, np.full((H, W), 2, np.float32))
        self.image, self.depth = self.add_media(image), self.add_media(depth)

    def run(self, kind: str, ground: Mask | Rle | None, **fields: Any) -> Manifest:
        mask = encode(ground) if isinstance(ground, np.ndarray) else ground
        if "from_job" not in fields:
            fields |= {"image": self.image, "text": ["ball"]}
        request = JOBS[kind](ground=mask, **fields)
        return self.attempt(self.submit(request), request)


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("grounds"))
    yield world
    world.close()


@pytest.mark.parametrize("kind", JOBS)
def test_the_plane_is_in_the_result_with_its_scale(grounds: World, kind: str) -> None:
    manifest = grounds.run(kind, FLOOR, camera=CAMERA, seed=5)
    found = manifest.result.ground
    assert (found.normal, found.offset) == (PLANE.normal, PLANE.offset)
    assert (found.scale_source, found.inlier_share) == ("relative", 0.9)
    asked = grounds.objects.asked[-1]
    np.testing.assert_array_equal(asked["mask"], FLOOR)
    assert (asked["camera"].fx, asked["depth"], asked["seed"]) == (30.0, None, 5)
    assert asked["image"].shape == (H, W, 3)
    assert "grounded" in {engine.name for engine in manifest.provenance.engines}


@pytest.mark.parametrize("unit", [None, 1.0])
@pytest.mark.parametrize("kind", JOBS)
def test_metres_of_a_depth_map_without_its_unit_are_flagged(
    grounds: World, kind: str, unit: float | None
) -> None:
    depth = {"media": grounds.depth, "metres_per_unit": unit}
    found = grounds.run(kind, FLOOR, camera=CAMERA, depth=depth).result.ground
    assert found.scale_source == "metric"
    assert found.flags == (["depth_unit_assumed"] if unit is None else [])


@pytest.mark.parametrize("kind", JOBS)
def test_without_a_mask_the_plane_is_unknown(grounds: World, kind: str) -> None:
    before = len(grounds.objects.asked)
    assert grounds.run(kind, None).result.ground is None
    assert len(grounds.objects.asked) == before


BROKEN = Rle(size=(H, W), counts="1")
DOT = np.zeros((H, W), bool)
DOT[3, 3] = True


@pytest.mark.parametrize(
    ("ground", "code"),
    [
        (FLOOR[1:], "mask_size_mismatch"),
        (np.zeros_like(FLOOR), "mask_empty"),
        (BROKEN, "mask_invalid"),
        (DOT, "ground_not_found"),
    ],
)
@pytest.mark.parametrize("kind", JOBS)
def test_a_mask_that_shows_no_floor_ends_the_job(
    grounds: World, kind: str, ground: Mask | Rle, code: str
) -> None:
    with pytest.raises((JobProblem, RequestRefused)) as refused:
        grounds.run(kind, ground)
    assert (refused.value.problem.code, refused.value.problem.status) == (code, 422)


@pytest.mark.parametrize("kind", JOBS)
def test_the_mask_fits_the_image_of_an_earlier_job(
    grounds: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SegmentJob(image=grounds.image, text=["ball"])
    segmented = grounds.attempt(grounds.submit(request), request)
    monkeypatch.setattr(JobContext, "load_manifest", lambda self, job_id: segmented)
    earlier = "job_" + "0" * 28
    assert grounds.run(kind, FLOOR, from_job=earlier).result.ground is not None
    with pytest.raises(JobProblem) as refused:
        grounds.run(kind, FLOOR[1:], from_job=earlier)
    assert refused.value.problem.code == "mask_size_mismatch"


def test_a_floor_belongs_to_one_image() -> None:
    video = MediaRef(url="https://example.org/v")
    with pytest.raises(ValidationError, match="'ground' belongs to one image"):
        ObjectsJob(video=video, text=["ball"], multiview=True, ground=encode(FLOOR))
