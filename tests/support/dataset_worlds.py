"""A worker's view of dataset jobs without a queue: a ledger, a store, and a tracker of the tests' own."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from maquette.contract import DatasetJob, DatasetResult, Manifest, MediaRef
from sqlalchemy import select, update

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, jobs, leases, parts, reaper
from storage.ledger.tables import jobs as table
from tests.support.scenes import write_ball_video
from workers.engines.protocols import EngineInfo, FrameResult, TrackedInstance, VideoFrame
from workers.engines.registry import EngineSet
from workers.errors import Parked, RetryPart
from workers.geometry.boxes import bounding_box
from workers.jobs import run_kind, run_part
from workers.jobs.context import JobContext
from workers.settings import WorkerSettings

TENANT, QUEUE, FRAMES = "t", "q", 72


class Reds:
    """Finds whatever is red, as one ball; holds its results back by three frames, as some trackers do."""

    info = EngineInfo("reds", "concepts", "1", "cpu", "Apache-2.0", (), (), weights={"w": "0" * 64})

    def __init__(self) -> None:
        self.frames = 0

    def check(self, phrases: Sequence[str]) -> None:
        assert list(phrases) == ["ball", "cup"]

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Follow":
        return Follow(self)


class Follow:
    def __init__(self, engine: Reds) -> None:
        self.engine = engine
        self.held: list[FrameResult] = []

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        self.engine.frames += 1
        rgb = frame.image.astype(int)
        mask = (rgb[..., 0] - rgb[..., 1] > 40) & (rgb[..., 0] - rgb[..., 2] > 40)
        actual = (TrackedInstance(mask, bounding_box(mask), 0.9, 0, "ball", id=1),) if mask.any() else ()
        self.held.append(FrameResult(frame.index, frame.pts, actual))
        return [self.held.pop(0)] if len(self.held) > 3 else []

    def finish(self) -> Sequence[FrameResult]:
        return self.held


class Killed(BaseException):
    """As if the worker had died."""


class Heartbeat:
    """Dies when progress is reported for the n-th time."""

    def __init__(self, dies: int | None = None) -> None:
        self.dies, self.reports = dies, []

    def progress(self, progress: dict[str, Any]) -> None:
        self.reports.append(progress)
        if self.dies is not None and len(self.reports) > self.dies:
            raise Killed

    def check(self) -> None:
        return


@lru_cache(maxsize=4)
def read_settings(environment: frozenset[tuple[str, str]]) -> WorkerSettings:
    """The settings of a worker in an environment: reading them is a sixth of a small job."""
    return WorkerSettings()


class World:
    def __init__(self, folder: Path, size: int = 160) -> None:
        """Jobs store frames of `size` pixels, half of the videos': most of a small job is done per pixel."""
        self.folder, self.size = folder, size
        self.db = Database(f"sqlite:///{folder / 'ledger.db'}")
        self.db.migrate()
        self.store = LocalStore(folder / "store")
        self.sandbox = Sandbox()
        self.engine = Reds()
        self.engines = EngineSet("default", {"concepts": self.engine})
        write_ball_video(folder / "v.mp4", FRAMES)
        write_ball_video(folder / "w.mp4", FRAMES - 24)
        self.videos = [self.put(folder / name) for name in ("v.mp4", "w.mp4")]
        self.count = 0

    def put(self, video: Path) -> MediaRef:
        ref = MediaRef(id=self.store.put(video.read_bytes()))
        files.add_media(self.db, TENANT, str(ref.id), {**self.sandbox.probe(video), "bytes": 1})
        return ref

    def request(self, **options: Any) -> DatasetJob:
        return DatasetJob.model_validate(
            {
                "videos": self.videos,
                "text": ["ball", "cup"],
                "clip_seconds": 1.0,
                "min_clip_seconds": 0.5,
                "size": self.size,
                "gates": {"near_duplicate": {}},
                "reuse": False,
                **options,
            }
        )

    def job(self, **options: Any) -> str:
        request = self.request(**options)
        self.count += 1
        row, _ = jobs.submit(
            self.db,
            Submission(
                TENANT, "dataset", "auto", QUEUE, request.model_dump_json(), f"{self.count}", 900, None
            ),
        )
        return str(row.id)

    def queued(self, job_id: str) -> list[str]:
        """Of a job and its parts those that a worker may take."""
        return [item[0] for item in parts.list_unannounced(self.db, job_id)]

    def lose(self) -> None:
        """Whoever held anything has died."""
        with self.db.write() as connection:
            held = (table.c.state == "running") & table.c.lease_until.is_not(None)
            connection.execute(update(table).where(held).values(lease_until=0))
        reaper.reap(self.db, max_attempts=99, cancel_grace=5, queue_seconds=3600)

    def go(self, job_id: str, heartbeat: Heartbeat) -> Manifest:
        """What one worker does from the first message to the last."""
        self.lose()
        while True:
            if (built := self.step(job_id, heartbeat)) is not None:
                return built

    def step(self, job_id: str, heartbeat: Heartbeat) -> Manifest | None:
        """One message: a part, or the job itself, which has a manifest at its end."""
        row = leases.claim(self.db, self.queued(job_id)[0], "w", 600)
        assert row is not None
        settings = read_settings(frozenset(os.environ.items()))
        context = JobContext(row, heartbeat, self.db, self.store, self.engines, self.sandbox, settings)  # type: ignore[arg-type]
        if row.parent is not None:
            try:
                outcome = run_part(context)
            except RetryPart:
                assert leases.retry(self.db, row)
                return None
            assert leases.complete(self.db, row, outcome.output, outcome.spent, [], outcome.then)
            return None
        try:
            return run_kind(context, DatasetJob.model_validate_json(row.request))
        except Parked as parked:
            assert leases.park(self.db, row, parked.parts)
            return None

    def find_kind(self, job_id: str) -> str:
        with self.db.read() as connection:
            return str(connection.execute(select(table.c.kind).where(table.c.id == job_id)).scalar())

    def find_queue(self, job_id: str) -> str:
        with self.db.read() as connection:
            return str(connection.execute(select(table.c.queue).where(table.c.id == job_id)).scalar())

    def manifest(self, sha256: str) -> Manifest:
        return Manifest.model_validate_json(self.store.get(sha256))

    def save(self, manifest: Manifest, folder: Path) -> Path:
        folder.mkdir()
        for artefact in manifest.artefacts:
            (folder / artefact.name).write_bytes(self.store.get(artefact.sha256))
        return folder


def version(manifest: Manifest) -> str:
    """The version that a job made."""
    assert isinstance(manifest.result, DatasetResult)
    return manifest.result.version
