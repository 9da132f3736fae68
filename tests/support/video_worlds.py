"""Jobs on one video without a stack: a ledger, a store, a sandbox, a heartbeat that can end a worker."""

from pathlib import Path
from typing import Any

from maquette.contract import Manifest, MediaRef

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, jobs, leases
from tests.support.media_files import write_video
from workers.engines.registry import EngineSet
from workers.jobs import run_kind
from workers.jobs.context import JobContext

TENANT = "t"


class Killed(Exception):
    """As if the worker had died."""


class FakeHeartbeat:
    """Keeps every progress report; a subclass says after which one the worker dies."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def progress(self, progress: dict[str, Any]) -> None:
        self.reports.append(progress)
        if self.is_last(progress):
            raise Killed

    def is_last(self, progress: dict[str, Any]) -> bool:
        return False

    def check(self) -> None:
        return


class VideoWorld:
    """A ledger, a store and a video of flat frames, and the engines that its jobs use."""

    def __init__(self, folder: Path, engines: dict[str, Any], frames: int, size: tuple[int, int]) -> None:
        self.db = Database(f"sqlite:///{folder / 'ledger.db'}")
        self.db.migrate()
        self.store = LocalStore(folder / "store")
        self.sandbox = Sandbox()
        self.engines = EngineSet("default", engines)
        self.video = self.add_media(write_video(folder / "video.mp4", frames, size))
        self.submitted = 0

    def add_media(self, path: Path) -> MediaRef:
        """Store and probe a file, as an upload does."""
        digest = self.store.put_file(path)
        files.add_media(self.db, TENANT, digest, {**self.sandbox.probe(path), "bytes": path.stat().st_size})
        return MediaRef(id=digest)

    def submit(self, request: Any) -> str:
        """The id of a new job that a worker has claimed."""
        self.submitted += 1
        body = request.model_dump_json()
        submission = Submission(TENANT, request.kind, "auto", "default", body, f"{self.submitted}", 900, None)
        row, _ = jobs.submit(self.db, submission)
        assert leases.claim(self.db, row.id, "w", 600) is not None
        return row.id

    def attempt(self, job_id: str, request: Any, heartbeat: FakeHeartbeat | None = None) -> Manifest:
        """Run a claimed job from its checkpoint; raises Killed when the heartbeat ends the worker."""
        row = jobs.get(self.db, TENANT, job_id)
        assert row is not None
        beat: Any = heartbeat or FakeHeartbeat()
        return run_kind(JobContext(row, beat, self.db, self.store, self.engines, self.sandbox), request)

    def close(self) -> None:
        self.sandbox.close()
        self.db.close()
