"""Track jobs with an engine that computes when all frames are there: its results are written as they come."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from maquette.contract import Manifest, TrackJob, TrackResult

from storage.ledger import jobs
from tests.support.video_worlds import FakeHeartbeat, Killed, VideoWorld
from tests.workers.jobs.test_track_directions import make_instance
from workers.engines.protocols import EngineInfo, FrameResult, TrackPrompts, VideoFrame
from workers.jobs.track import chunked_tracking

FRAMES, CHUNK, SIZE = 30, 8, (64, 48)


class LateEngine:
    """Finds one thing on each frame, at a place of its own, once the video has ended."""

    info = EngineInfo("fake", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def __init__(self) -> None:
        # the frames of the results that were read, and how many passes have begun to finish and were closed
        self.given: list[int] = []
        # when each frame was shown, in seconds
        self.times: list[float | None] = []
        self.begun = self.closed = 0

    def check(self, phrases: Sequence[str]) -> None:
        return

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> "LateTracker":
        return LateTracker(self, json.loads(state) if state else [])


class LateTracker:
    def __init__(self, engine: LateEngine, frames: list[list[int]]) -> None:
        self.engine, self.frames = engine, frames

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        self.frames.append([frame.index, frame.pts])
        self.engine.times.append(frame.time)
        return []

    def finish(self) -> Iterator[FrameResult]:
        self.engine.begun += 1
        try:
            for index, pts in self.frames:
                self.engine.given.append(index)
                yield FrameResult(index, pts, (make_instance(1, 0, "cat", index),))
        finally:
            self.engine.closed += 1

    def snapshot(self) -> bytes:
        return json.dumps(self.frames).encode()


class Heartbeat(FakeHeartbeat):
    """Ends the worker once the engine has given the result of a frame; notes what clients then know of."""

    def __init__(self, world: "World", job_id: str, dies_after: int | None) -> None:
        super().__init__()
        self.world, self.job_id, self.dies_after = world, job_id, dies_after
        # how many chunks were announced when each result had been given
        self.announced: list[int] = []

    def is_last(self, progress: dict[str, Any]) -> bool:
        given = self.world.engine.given
        if given and progress["stage"] == "track":
            self.announced.append(len(self.world.list_announced(self.job_id)))
        return self.dies_after is not None and bool(given) and given[-1] >= self.dies_after


class World(VideoWorld):
    def __init__(self, folder: Path) -> None:
        self.engine = LateEngine()
        super().__init__(folder, {"concepts": self.engine}, FRAMES, SIZE)

    def list_announced(self, job_id: str) -> list[str]:
        """The names of the artefacts that were announced to clients."""
        return [e["data"]["name"] for e in jobs.list_events(self.db, job_id, 0) if e["type"] == "artefact"]

    def read_chunks(self, manifest: Manifest) -> list[list[int]]:
        """The frames in each chunk of masks."""
        chunks = [self.store.get(each.sha256) for each in manifest.artefacts if each.role == "masks"]
        return [[json.loads(line)["frame"] for line in chunk.decode().splitlines()] for chunk in chunks]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(chunked_tracking, "CHUNK_FRAMES", CHUNK)
    shared = World(tmp_path)
    yield shared
    shared.close()


def test_the_engine_is_told_the_seconds_of_frames(world: World) -> None:
    """A tracker of people has to know how long they were hidden."""
    request = TrackJob(video=world.video, text=["cat"])
    result = world.attempt(world.submit(request), request).result
    assert isinstance(result, TrackResult) and result.frame_rate is not None
    assert world.engine.times == pytest.approx([place / result.frame_rate for place in range(FRAMES)])


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_chunks_are_announced_before_the_engine_has_seen_the_clip(world: World, direction: str) -> None:
    request = TrackJob(video=world.video, text=["cat"], direction=direction, start_frame=0)
    job_id = world.submit(request)
    beat = Heartbeat(world, job_id, None)
    manifest = world.attempt(job_id, request, beat)
    assert beat.announced[-FRAMES:] == [(place + 1) // CHUNK for place in range(FRAMES)]
    assert [frame for chunk in world.read_chunks(manifest) for frame in chunk] == list(range(FRAMES))
    assert max(len(chunk) for chunk in world.read_chunks(manifest)) == CHUNK


@pytest.mark.parametrize("asked", [{}, {"direction": "both", "start_frame": 12}], ids=["forward", "both"])
def test_a_job_that_dies_while_its_engine_finishes_writes_no_frame_twice(
    world: World, asked: dict[str, Any]
) -> None:
    request = TrackJob(video=world.video, text=["cat"], **asked)
    quiet = world.attempt(world.submit(request), request)
    names = [each.name for each in quiet.artefacts if each.role == "masks"]
    world.engine.given.clear()
    job_id = world.submit(request)
    for dies_after in (10, 25):
        with pytest.raises(Killed) as ended:
            world.attempt(job_id, request, Heartbeat(world, job_id, dies_after))
        # the error holds the frames of the stack, and with them what is not closed
        assert ended.tb is not None and world.engine.closed == world.engine.begun
    announced = world.list_announced(job_id)
    assert announced == names[: len(announced)] and len(announced) >= 3
    manifest = world.attempt(job_id, request)
    assert manifest.artefacts == quiet.artefacts and manifest.result == quiet.result
    assert manifest.result is not None and manifest.result.tracks[0].frames == FRAMES
