"""The bodies job on videos with engines of the test's own: what is found where is known."""

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import BodiesJob, BodiesResult, Intrinsics, Manifest, TrackJob

from storage.ledger import jobs, leases
from tests.support.synthetic_bodies import make_body
from tests.support.video_worlds import TENANT, FakeHeartbeat, Killed, VideoWorld
from workers.engines.protocols import BodyEstimate, Box, EngineInfo, FrameResult, TrackedInstance, VideoFrame
from workers.errors import JobProblem
from workers.jobs.bodies import video as bodies_video
from workers.jobs.track import chunked_tracking

FRAMES, CHUNK, SIZE = 27, 8, (64, 48)
ONCE = (5, 6, 7)
LONG = range(12, 20)
GAP = 0.2


def info(kind: Any) -> EngineInfo:
    return EngineInfo("fake", kind, "1", "cpu", "Apache-2.0", (), ())


class Concepts:
    """Follows two people; the second is hidden in some frames, and a third is in one frame only."""

    info = info("concepts")

    def check(self, phrases: Sequence[str]) -> None:
        assert list(phrases) == ["person"]

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Concepts":
        assert prompts.phrases == ("person",)
        return self

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        actual = [self._person(frame.index, 1, 4)]
        if frame.index not in ONCE and frame.index not in LONG:
            actual.append(self._person(frame.index, 2, 30))
        if frame.index == 3:
            actual.append(self._person(frame.index, 3, 50))
        return [FrameResult(frame.index, frame.pts, tuple(actual))]

    def finish(self) -> list[FrameResult]:
        return []

    def snapshot(self) -> bytes:
        return b"{}"

    def _person(self, index: int, number: int, x: float) -> TrackedInstance:
        mask = np.zeros((SIZE[1], SIZE[0]), bool)
        mask[4:40, int(x) : int(x) + 8] = True
        return TrackedInstance(mask, (x + index / 100, 4.0, x + 8.0, 40.0), 0.9, 0, "person", id=number)


class Bodies:
    """A body whose root stands where the box is, and none for the box of the third person."""

    info = info("bodies")

    def __init__(self) -> None:
        self.alive = 0
        self.most = 0

    def recover(
        self, image: Any, boxes: Sequence[Box], masks: Any = None, *, camera: Any = None, seed: int = 0
    ) -> list[BodyEstimate | None]:
        assert masks is not None and all(mask.any() for mask in masks)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(image, self._gone)
        return [None if box[0] >= 50 else self._body(box) for box in boxes]

    def _gone(self) -> None:
        self.alive -= 1

    def _body(self, box: Box) -> BodyEstimate:
        actual = make_body()
        place = np.array([box[0] / 10, 0.0, 4.0])
        return replace(actual, rig=replace(actual.rig, root_translation=place), box=box)


class Heartbeat(FakeHeartbeat):
    """Ends the worker at a stage and a number of done steps."""

    def __init__(self, at: tuple[str, int] | None = None) -> None:
        super().__init__()
        self.at = at

    def is_last(self, progress: dict[str, Any]) -> bool:
        return self.at == (progress["stage"], progress["done"])


class World(VideoWorld):
    """`run` does a job, `go` continues one that was killed."""

    def __init__(self, folder: Path) -> None:
        self.bodies = Bodies()
        super().__init__(folder, {"concepts": Concepts(), "bodies": self.bodies}, FRAMES, SIZE)

    def go(self, job_id: str, heartbeat: FakeHeartbeat) -> Manifest:
        row = jobs.get(self.db, TENANT, job_id)
        assert row is not None
        kinds: dict[str, Any] = {"bodies": BodiesJob, "track": TrackJob}
        return self.attempt(job_id, kinds[row.kind].model_validate_json(row.request), heartbeat)

    def run(self, request: Any, heartbeat: FakeHeartbeat | None = None) -> Manifest:
        return self.go(self.submit(request), heartbeat or FakeHeartbeat())

    def file(self, manifest: Manifest, name: str) -> bytes:
        return self.store.get(next(a.sha256 for a in manifest.artefacts if a.name == name))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = World(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (chunked_tracking, bodies_video):
            patch.setattr(module, "CHUNK_FRAMES", CHUNK)
        yield folder
    folder.close()


def make_job(world: World, **options: Any) -> BodiesJob:
    return BodiesJob.model_validate({"video": world.video, "formats": ["npz"], **options})


@pytest.fixture(scope="module")
def whole(world: World) -> Manifest:
    return world.run(make_job(world, formats=["glb", "bvh", "npz"], max_gap_seconds=GAP))


def result(manifest: Manifest) -> BodiesResult:
    assert isinstance(manifest.result, BodiesResult)
    return manifest.result


def hashes(manifest: Manifest) -> dict[str, str]:
    return {item.name: item.sha256 for item in manifest.artefacts}


def test_tracks_gaps_and_files(world: World, whole: Manifest) -> None:
    stated = result(whole)
    assert [track.id for track in stated.tracks] == [1, 2] and stated.frames == FRAMES
    first, second = stated.tracks
    assert (first.frames, first.filled, len(first.spans)) == (FRAMES, 0, 1)
    assert (second.frames, second.filled) == (FRAMES - 3 - 8, 3)
    assert [(s.first_frame, s.last_frame) for s in second.spans] == [(0, 11), (20, 26)]
    assert second.spans[1].first_seconds == pytest.approx(20 / 25)
    assert {"gaps_filled", "gaps_open"} <= set(second.flags) and not {"gaps_filled"} & set(first.flags)
    assert second.files["bvh"] == ["track-002-0.bvh", "track-002-1.bvh"]
    assert [(f.index, f.code) for f in stated.failures] == [(3, "no_person_found")]
    names = {item.name for item in whole.artefacts}
    assert {"track-001.glb", "track-001.npz", "overlay.mp4", "masks-00000.jsonl"} <= names
    assert whole.provenance.sources == [world.video.id]
    stored = np.load(BytesIO(world.file(whole, "track-001.npz")))
    np.testing.assert_allclose(
        stored["root_translation_raw"][:, 0], [(4 + k / 100) / 10 for k in range(FRAMES)], atol=1e-4
    )
    np.testing.assert_allclose(stored["seconds"], np.arange(FRAMES) / 25, atol=1e-3)


def test_frames_are_not_kept(world: World, whole: Manifest) -> None:
    assert whole is not None and world.bodies.most <= 3


@pytest.mark.parametrize(
    "at", [("track", 5), ("track", 20), ("bodies", 1), ("bodies", 20), ("motion", 1), ("overlay", 6)]
)
def test_a_killed_worker_goes_on_with_the_same_result(
    world: World, whole: Manifest, at: tuple[str, int]
) -> None:
    job_id = world.submit(make_job(world, formats=["glb", "bvh", "npz"], max_gap_seconds=GAP))
    with pytest.raises(Killed):
        world.go(job_id, Heartbeat(at))
    heartbeat = Heartbeat()
    again = world.go(job_id, heartbeat)
    assert hashes(again) == hashes(whole)
    assert [item.name for item in again.artefacts] == [item.name for item in whole.artefacts]
    assert result(again) == result(whole)
    processed = [stated["done"] for stated in heartbeat.reports if stated["stage"] == at[0]]
    if at == ("track", 20):
        assert min(processed) == 17
    if at[0] != "track":
        assert not any(stated["stage"] == "track" for stated in heartbeat.reports)
    if at == ("bodies", 20):
        assert min(processed) == 17


def test_a_body_job_continues_a_track_job(world: World, whole: Manifest) -> None:
    track = TrackJob(video=world.video, text=["person"])
    job_id = world.submit(track)
    manifest = world.go(job_id, Heartbeat())
    row = jobs.get(world.db, TENANT, job_id)
    assert row is not None
    data = manifest.model_dump_json().encode()
    assert leases.succeed(world.db, row, world.store.put(data))
    heartbeat = Heartbeat()
    outcome = world.run(BodiesJob(from_job=job_id, formats=["npz", "glb"], max_gap_seconds=GAP), heartbeat)
    assert not any(step["stage"] == "track" for step in heartbeat.reports)
    for name in ("track-001.npz", "track-002.glb"):
        assert hashes(outcome)[name] == hashes(whole)[name]
    with pytest.raises(JobProblem, match="one pose"):
        world.run(BodiesJob(from_job=job_id, formats=["obj"]))


def test_known_camera_poses_give_a_world(world: World, whole: Manifest) -> None:
    turn = [[0.0, 0.0, 1.0, 5.0], [0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    manifest = world.run(make_job(world, world_from_cam=[turn] * FRAMES))
    assert result(manifest).space == "world" and result(whole).space == "camera"
    there, here = (
        np.load(BytesIO(world.file(m, "track-001.npz")))["root_translation_raw"] for m in (manifest, whole)
    )
    np.testing.assert_allclose(there, here @ np.array(turn)[:3, :3].T + [5, 0, 0], atol=1e-6)
    # gravity is the world's; the fake bodies show no left ankle, so that no floor is known
    gravity = result(manifest).gravity
    assert gravity is not None and gravity.source == "given" and gravity.direction == (0.0, 1.0, 0.0)
    assert result(manifest).floor is None and result(whole).gravity is None
    contact = np.load(BytesIO(world.file(manifest, "track-001.npz")))["foot_contact"]
    assert contact.shape == (FRAMES, 2) and np.isnan(contact).all()
    with pytest.raises(JobProblem, match="27 frames") as caught:
        world.run(make_job(world, world_from_cam=[turn] * 26))
    assert caught.value.problem.code == "camera_poses_missing"
    assert result(world.run(make_job(world, world_from_cam=[turn] * 6, max_frames=6))).frames == 6


def test_options_of_the_motion(world: World, whole: Manifest) -> None:
    raw = world.run(make_job(world, smoothing=False, max_gap_seconds=0, vertices=True, max_frames=10, lod=2))
    second = result(raw).tracks[1]
    stored = np.load(BytesIO(world.file(raw, "track-001.npz")))
    np.testing.assert_array_equal(stored["joint_rotations"], stored["joint_rotations_raw"])
    assert stored["vertices"].shape == (10, *make_body().vertices.shape)
    assert second.filled == 0 and len(second.spans) == 2
    assert "lod_ignored" in raw.flags
    hidden = np.load(BytesIO(world.file(raw, "track-002.npz")))
    assert np.isnan(hidden["vertices"][5]).all() and np.isfinite(hidden["vertices"][4]).all()


def test_an_engine_with_levels_of_detail_is_asked_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[int] = []

    def at_lod(self: Bodies, body: BodyEstimate, lod: int) -> BodyEstimate:
        asked_for.append(lod)
        return body

    monkeypatch.setattr(Bodies, "at_lod", at_lod, raising=False)
    manifest = world.run(make_job(world, lod=4, max_frames=2))
    assert asked_for == [4] * 4 and "lod_ignored" not in manifest.flags


def test_too_many_people_are_capped_to_those_who_stay_longest(world: World) -> None:
    manifest = world.run(make_job(world, max_people=1, max_frames=10))
    assert [track.id for track in result(manifest).tracks] == [1] and "people_capped" in manifest.flags


def test_a_track_of_doubtful_bodies_is_flagged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sure = Bodies._body

    def doubt(self: Bodies, box: Box) -> BodyEstimate:
        body = sure(self, box)
        return replace(body, confidence=0.5) if box[0] >= 30 else body

    monkeypatch.setattr(Bodies, "_body", doubt)
    first, second = result(world.run(make_job(world, max_frames=4))).tracks
    assert "low_confidence" in second.flags and "low_confidence" not in first.flags


def test_a_result_without_people_has_a_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody: Callable[..., list[FrameResult]] = lambda self, frame: [FrameResult(frame.index, frame.pts, ())]  # noqa: E731
    monkeypatch.setattr(Concepts, "step", nobody)
    manifest = world.run(make_job(world, max_frames=5))
    assert result(manifest).tracks == [] and manifest.reason == "no person was found in the video"
    assert "nothing_found" in manifest.flags


def test_an_implausible_camera_of_a_fetched_video_fails_its_job(world: World) -> None:
    camera = Intrinsics(fx=1, fy=1, cx=32, cy=24)
    with pytest.raises(JobProblem) as caught:
        world.run(make_job(world, camera=camera))
    assert caught.value.problem.code == "camera_implausible"


def test_checkpoints_are_small_json(world: World) -> None:
    job_id = world.submit(make_job(world))
    with pytest.raises(Killed):
        world.go(job_id, Heartbeat(("bodies", 20)))
    row = jobs.get(world.db, TENANT, job_id)
    assert row is not None and row.checkpoint is not None
    assert len(json.dumps(row.checkpoint)) < 8000
