"""Clips that cannot be worked on are left out of a dataset job, with the reason, and the others are not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.cli.main import app
from maquette.contract import DatasetResult, Manifest, MediaRef, Problem
from maquette.sources.avi import pack_frames
from maquette.sources.folders import FrameFolder, find_videos
from PIL import Image
from sqlalchemy import update
from typer.testing import CliRunner

from media.errors import MediaError
from storage.ledger import fleet, jobs, leases, reaper
from storage.ledger.tables import jobs as table
from tests.support.dataset_worlds import TENANT, Follow, Heartbeat, Reds, World, version
from tests.support.media_files import write_frames
from tests.workers.jobs.test_dataset_parts import work
from workers.datasets.budget_limits import Prices
from workers.datasets.cameras.colmap_solver import load_solver
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source, SourceFrames
from workers.datasets.track_sources import EngineTracks
from workers.datasets.verification import verify
from workers.engines.protocols import EngineInfo, FrameResult, RequestRefused, VideoFrame
from workers.engines.registry import EngineSet
from workers.errors import JobProblem

# both videos have 512 ticks a frame, and their second clips begin with frame 24
SECOND = (24 * 512, 48 * 512)


class Picky(Reds):
    """Raises while it looks at the second clip of a video."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error, self.times = error, 0

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Fail":
        return Fail(self)


class Fail(Follow):
    engine: Picky

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        if self.engine.error is not None and SECOND[0] + 5 * 512 <= frame.pts < SECOND[1]:
            self.engine.times += 1
            raise self.engine.error
        return super().step(frame)


REFUSED = RequestRefused(Problem.from_code("too_red", 422, "this is too red"))


def picky(world: World, error: Exception | None) -> Picky:
    world.engine = Picky(error)
    world.engines = EngineSet("default", {"concepts": world.engine})
    return world.engine


def get_result(manifest: Manifest) -> DatasetResult:
    assert isinstance(manifest.result, DatasetResult)
    return manifest.result


def check(world: World, manifest: Manifest, folder: Path, code: str, lost: int = 2) -> None:
    """The other clips are there, and everything says which are not, and why."""
    result = get_result(manifest)
    assert "clips_failed" in manifest.flags
    assert result.clips == 5 - lost and result.tracks == 5 - lost
    assert len(result.failed) == lost and all(stated.startswith(code) for stated in result.failed.values())
    assert result.rejected == {"processing": lost}
    steps = {(step.unit, step.stage): (step.given, step.kept) for step in result.funnel}
    assert steps["clips", "processing"] == (5, 5 - lost)
    assert verify(world.save(manifest, folder)) == []
    data = Dataset(folder)
    assert {row.clip for row in data.clip_rows if not row.kept} == result.failed.keys()
    reasons = {row.clip: row.reason for row in data.rows("decisions") if row.gate == "processing"}
    assert reasons == dict.fromkeys(result.failed, code)
    assert f"{code} {lost}" in (folder / "report.html").read_text()


def test_clips_that_an_engine_refuses_are_left_out_on_any_executor(world: World, tmp_path: Path) -> None:
    engine = picky(world, REFUSED)
    manifest = world.go(world.job(), Heartbeat())
    assert engine.times == 2
    check(world, manifest, tmp_path / "data", "too_red")
    assert version(world.go(world.job(), Heartbeat())) == version(manifest)
    settings = DatasetSettings.from_request(world.request(), Prices())

    def source(ref: MediaRef) -> Source:
        path = world.store.path(str(ref.id))
        probe = world.sandbox.probe(path)

        def opened(first: int, count: int | None) -> SourceFrames:
            actual = world.sandbox.frames(path, start=first, limit=count)
            return SourceFrames(actual.time_base, actual.frames)

        size = probe["width"], probe["height"]
        return Source(str(ref.id), *size, probe.get("frames"), probe.get("frame_rate"), opened)

    components = Components(EngineTracks(engine, settings), solver=load_solver())  # type: ignore[arg-type]
    sources = [source(ref) for ref in world.videos]
    alone = build_dataset(sources, components, settings, tmp_path / "work", tmp_path / "out")
    assert alone.manifest.version == version(manifest)


def test_an_engine_that_breaks_gets_three_attempts(world: World, tmp_path: Path) -> None:
    engine = picky(world, RuntimeError("an index is out of range"))
    manifest = world.go(world.job(), Heartbeat())
    assert engine.times == 2 * 3
    check(world, manifest, tmp_path / "data", "engine_failed")


def test_a_decoder_that_was_too_slow_gets_three_attempts(world: World, tmp_path: Path) -> None:
    engine = picky(world, MediaError("decoding_too_slow", "decoding took more than 60 seconds", 413))
    manifest = world.go(world.job(), Heartbeat())
    assert engine.times == 2 * 3
    check(world, manifest, tmp_path / "data", "decoding_too_slow")


def test_an_engine_that_breaks_once_loses_nothing(world: World) -> None:
    picky(world, None)
    undisturbed = world.go(world.job(), Heartbeat())
    engine = picky(world, MemoryError())
    job_id = world.job()
    while not engine.times:
        assert world.step(job_id, Heartbeat()) is None
    engine.error = None
    manifest = world.go(job_id, Heartbeat())
    assert "clips_failed" not in manifest.flags
    assert version(manifest) == version(undisturbed)


def test_real_workers_leave_out_what_they_cannot_do(world: World, tmp_path: Path) -> None:
    engine, job_id = picky(world, MemoryError()), world.job()
    work(world, job_id, "w", engine)
    row = jobs.get(world.db, TENANT, job_id)
    assert row is not None and row.state == "succeeded"
    check(world, world.manifest(str(row.manifest_sha256)), tmp_path / "data", "out_of_memory")


def lose(world: World, part: str) -> None:
    """Every worker that takes this part dies."""
    while leases.claim(world.db, part, "w", 600) is not None:
        with world.db.write() as connection:
            connection.execute(update(table).where(table.c.id == part).values(lease_until=0))
        reaper.reap(world.db, max_attempts=3, cancel_grace=5, queue_seconds=3600)


def go(world: World, job_id: str, lost: str) -> Manifest:
    """Work until the job is over; the first part of the kind `lost` kills whoever takes it."""
    poison = None
    while True:
        actual = world.queued(job_id)
        poison = poison or next((item for item in actual if world.find_kind(item) == lost), None)
        if poison is not None and poison in actual:
            lose(world, poison)
        if (built := world.step(job_id, Heartbeat())) is not None:
            return built


def test_a_clip_that_kills_its_workers_is_left_out(world: World, tmp_path: Path) -> None:
    picky(world, None)
    manifest = go(world, world.job(), "dataset.clips")
    check(world, manifest, tmp_path / "data", "attempts_exhausted", lost=1)
    assert version(go(world, world.job(), "dataset.clips")) == version(manifest)


def test_a_killed_gpu_worker_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky(world, None)
    alone = go(world, world.job(), "dataset.clips")
    monkeypatch.setattr(Picky, "info", replace(Reds.info, device="cuda"))
    fleet.announce(world.db, "cpu", "default", [])
    try:
        manifest = go(world, world.job(), "dataset.follow")
        refused = picky(world, REFUSED)
        other = world.go(world.job(), Heartbeat())
    finally:
        fleet.leave(world.db, "cpu")
    check(world, manifest, tmp_path / "data", "attempts_exhausted", lost=1)
    assert version(manifest) == version(alone)
    assert refused.times == 2
    check(world, other, tmp_path / "other", "too_red")


class Breaks:
    """Lifts nothing."""

    info = EngineInfo("breaks", "objects", "1", "cpu", "Apache-2.0", (), ())

    def reconstruct(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no")


def test_assets_that_cannot_be_made_do_not_cost_the_clip(world: World, tmp_path: Path) -> None:
    picky(world, None)
    world.engines = EngineSet("default", {"concepts": world.engine, "objects": Breaks()})
    manifest = world.go(world.job(assets=2), Heartbeat())
    result = get_result(manifest)
    assert (result.clips, result.assets, result.failed) == (5, 0, {})
    data = Dataset(world.save(manifest, tmp_path / "data"))
    assert verify(data.folder) == []
    assert sum("assets_failed" in row.flags for row in data.clip_rows) == 2


def test_a_job_of_which_no_clip_can_be_worked_on_fails(world: World) -> None:
    picky(world, REFUSED)
    # the second seconds of both videos are all there is
    job_id = world.job(clip_seconds=3.0, min_clip_seconds=3.0, gates={"near_duplicate": {}, "duration": {}})
    with pytest.raises(JobProblem, match="too red") as caught:
        world.go(job_id, Heartbeat())
    assert caught.value.problem.code == "all_clips_failed"


def broken(folder: Path) -> Path:
    """A video of which the tenth image cannot be decoded."""
    (folder / "frames").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (16, 60, 80, 3), np.uint8)
    for index, image in enumerate(noise):
        Image.fromarray(image).save(folder / "frames" / f"{index}.png")
    [frames] = find_videos(folder / "frames")
    assert isinstance(frames, FrameFolder)
    path = pack_frames(frames, 10, folder / "broken.avi")
    data = bytearray(path.read_bytes())
    place = -1
    for _ in range(10):
        place = data.find(b"IDAT", place + 1)
    data[place + 8 : place + 200] = b"\0" * 192
    path.write_bytes(data)
    return path


def test_a_video_that_breaks_on_the_way_is_left_out(world: World, tmp_path: Path) -> None:
    picky(world, None)
    bad = world.put(broken(tmp_path))
    stated = [{}, {}, {"name": "bad one"}, {}]
    address = MediaRef(url="https://127.0.0.1/film.mp4?key=secret")
    videos, skipped = [*world.videos, bad, address], {"empty.mp4": "upload_empty"}
    manifest = world.go(world.job(videos=videos, sources=stated, skipped=skipped), Heartbeat())
    left_out = {"bad one": "video_broken", "film.mp4": "url_not_allowed", **skipped}
    assert get_result(manifest).unreadable == left_out
    assert "sources_unreadable" in manifest.flags and get_result(manifest).clips == 5
    out = world.save(manifest, tmp_path / "data")
    assert Dataset(out).manifest.unreadable == left_out and verify(out) == []
    for document in ("report.html", "README.md"):
        assert all(name in (out / document).read_text() for name in left_out), document
    shown = CliRunner().invoke(app, ["dataset", "inspect", str(out)])
    assert all(name in shown.stdout and code in shown.stdout for name, code in left_out.items())
    for strict, code in ((videos[:3], "video_broken"), ([address], "url_not_allowed")):
        with pytest.raises(JobProblem, match=r"(bad one|film\.mp4): ") as caught:
            job = world.job(videos=strict, sources=stated[: len(strict)], strict=True)
            world.go(job, Heartbeat())
        assert caught.value.problem.code == code
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(videos=[bad]), Heartbeat())
    assert caught.value.problem.code == "video_broken"


def test_a_video_that_was_cut_off_is_flagged_in_the_dataset(world: World, tmp_path: Path) -> None:
    picky(world, None)
    images = [np.full((48, 64, 3), 90 + index % 9, np.uint8) for index in range(90)]
    path = write_frames(tmp_path / "cut.mp4", images, container_options={"movflags": "faststart"}, gop=12)
    path.write_bytes(path.read_bytes()[:-400])
    manifest = world.go(world.job(videos=[world.videos[0], world.put(path)]), Heartbeat())
    data = Dataset(world.save(manifest, tmp_path / "data"))
    flags = {row.width: row.flags for row in data.sources.values()}
    assert "file_truncated" in flags.pop(64) and [*flags.values()] == [()]
    assert "<td>file_truncated" in (data.folder / "report.html").read_text()


def test_a_video_whose_survey_kills_its_workers_is_left_out(world: World) -> None:
    picky(world, None)
    manifest = go(world, world.job(), "dataset.survey")
    [code] = get_result(manifest).unreadable.values()
    assert code == "attempts_exhausted"
    assert 0 < get_result(manifest).clips < 5
