"""The objects job on a video: the masks come from a tracker of the test's own, the cameras are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import ObjectsJob, ObjectsResult, TrackJob
from pydantic import ValidationError

from tests.support.synthetic_objects import cameras_around, make_object
from tests.support.video_worlds import VideoWorld
from workers.engines.objects.default import DefaultObjects
from workers.engines.protocols import EngineInfo, FrameResult, RequestRefused, TrackedInstance, VideoFrame
from workers.errors import JobProblem
from workers.jobs.context import JobContext

FRAMES, SIDE = 12, 96
VIEWS = cameras_around(FRAMES, 360, SIDE)
MASKS = [make_object("block").photograph(view)[1] for view in VIEWS]
WORLD_FROM_CAM = [view.cam_from_world.inverse().matrix().tolist() for view in VIEWS]
CAMERA = {"fx": VIEWS[0].camera.fx, "fy": VIEWS[0].camera.fy, "cx": SIDE / 2, "cy": SIDE / 2}


class Concepts:
    """Finds the block in every frame but the first, and something seen only once."""

    info = EngineInfo("fake", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def check(self, phrases: Sequence[str]) -> None:
        return

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Concepts":
        return self

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        collected = []
        if frame.index:
            mask = MASKS[frame.index]
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = (float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)
            collected.append(TrackedInstance(mask, box, 0.9, 0, "block", id=1))
        if frame.index == 4:
            collected.append(
                TrackedInstance(np.roll(MASKS[4], 9, axis=1), (0.0, 0.0, 20.0, 20.0), 0.4, 0, "ghost", id=2)
            )
        return [FrameResult(frame.index, frame.pts, tuple(collected))]

    def finish(self) -> list[FrameResult]:
        return []

    def snapshot(self) -> bytes:
        return b"{}"


class World(VideoWorld):
    """Its frames are known to the tracker by their numbers."""

    def __init__(self, folder: Path) -> None:
        objects = DefaultObjects(splats=200, refine_steps=0)
        super().__init__(folder, {"concepts": Concepts(), "objects": objects}, FRAMES, (SIDE, SIDE))

    def run(self, request: Any) -> tuple[str, Any]:
        job_id = self.submit(request)
        return job_id, self.attempt(job_id, request)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = World(tmp_path_factory.mktemp("world"))
    yield folder
    folder.close()


def make_request(world: World, **options: Any) -> ObjectsJob:
    given = {
        "video": world.video,
        "text": ["cup"],
        "multiview": True,
        "camera": CAMERA,
        "world_from_cam": WORLD_FROM_CAM,
        **options,
    }
    return ObjectsJob.model_validate(given)


def test_an_object_of_a_video_comes_from_all_its_frames(world: World) -> None:
    _, manifest = world.run(make_request(world))
    stated = manifest.result
    assert isinstance(stated, ObjectsResult) and (stated.width, stated.height) == (SIDE, SIDE)
    [actual] = stated.objects
    assert actual.label == "block" and actual.scale_source == "metric"
    assert actual.views is not None and actual.views.track == 1
    assert (actual.views.used, actual.views.reference) == (FRAMES - 1, 1)
    assert actual.views.arc_degrees >= 300
    assert actual.pose.scale == pytest.approx(1.0, abs=0.08)
    # the pose is in the camera of frame 1: the block stands in its middle, 2.6 m away
    assert actual.pose.translation == pytest.approx((0, 0, 2.6), abs=0.08)
    assert [(item.label, item.code) for item in stated.failures] == [("ghost", "too_few_views")]
    names = {item.name for item in manifest.artefacts}
    assert {"object-000.glb", "object-000.ply", "object-000-reference.png", "masks-00000.jsonl"} <= names


def test_fewer_views_are_spread_over_the_video(world: World) -> None:
    _, manifest = world.run(make_request(world, max_views=4))
    [actual] = manifest.result.objects
    assert actual.views.used == 4 and actual.views.arc_degrees > 200


def test_unknown_cameras_in_a_video_without_texture_are_an_error(world: World) -> None:
    with pytest.raises(RequestRefused) as lost:
        world.run(make_request(world, world_from_cam=None))
    assert lost.value.problem.code in ("cameras_not_found", "extra_missing")


def test_too_few_poses_are_an_error(world: World) -> None:
    with pytest.raises(JobProblem) as few:
        world.run(make_request(world, world_from_cam=WORLD_FROM_CAM[:5]))
    assert few.value.problem.code == "camera_poses_missing"


def test_an_objects_job_continues_a_track_job(world: World) -> None:
    job_id, manifest = world.run(TrackJob(video=world.video, text=["cup"]))
    assert manifest.result.kind == "track"
    job = make_request(world, video=None, text=[], from_job=job_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobContext, "load_manifest", lambda self, job_id: manifest)
        _, lifted = world.run(job)
    assert [item.label for item in lifted.result.objects] == ["block"]
    assert lifted.provenance.from_job == job_id


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"multiview": False, "world_from_cam": None}, "multiview"),
        ({"image": {"id": "a" * 64}}, "multiview"),
        ({"from_job": "job_" + "0" * 28}, "from_job"),
        ({"max_views": 2}, "max_views"),
        ({"text": []}, "which objects"),
    ],
)
def test_what_does_not_go_together_is_refused(world: World, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        make_request(world, **options)
