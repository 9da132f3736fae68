"""A job that meets a full disk waits; it is neither failed nor counted as an attempt."""

import errno
from pathlib import Path
from typing import Any

import pytest

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, jobs
from workers import attempts, runner
from workers.engines.registry import EngineSet
from workers.settings import WorkerSettings


def test_a_full_disk_hands_the_job_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    db.migrate()
    body = '{"kind":"segment","image":{"id":"' + "0" * 64 + '"},"text":["cat"]}'
    job_id = jobs.submit(db, Submission("t", "segment", "auto", "default", body, "h", 900))[0].id
    monkeypatch.setattr(attempts, "DISK_FULL_SECONDS", 0)

    def fill(*_: Any) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("the file cannot be written") from error

    monkeypatch.setattr(attempts, "run_kind", fill)
    engines = EngineSet("default")
    running = runner.Runner(
        db, LocalStore(tmp_path / "store"), engines, Sandbox(), WorkerSettings(worker_id="w")
    )
    for _ in range(5):
        running.run(job_id, "message")
    job = jobs.get(db, "t", job_id)
    assert job is not None
    assert (job.state, job.attempt - job.handed_back) == ("queued", 0)
