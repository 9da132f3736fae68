"""Jobs about one image run one after another on one embedding, whatever else waits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import MediaRef, Point, SegmentJob

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, jobs
from tests.support.media_files import encode_png, make_gradient
from workers.engines.protocols import EngineInfo, SegmentedInstance, VisualPrompt
from workers.engines.registry import EngineSet
from workers.runner import MAX_COMPANIONS, Runner
from workers.settings import WorkerSettings


class Remembering:
    """Embeds one image at a time, and notes each embedding."""

    info = EngineInfo("fake", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.known = ""

    def check(self, phrases: Sequence[str]) -> None:
        return

    def embed(self, image: Any, key: str) -> Any:
        if key != self.known:
            self.embedded.append(key)
            self.known = key
        return image

    def segment(self, handle: Any, clicks: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        mask = np.ones(handle.shape[:2], bool)
        return [SegmentedInstance(mask, (0.0, 0.0, 64.0, 48.0), 1.0, n) for n in range(len(clicks))]


@pytest.mark.slow
def test_an_image_is_embedded_once_for_all_waiting_jobs(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    db.migrate()
    store = LocalStore(tmp_path / "store")
    engine = Remembering()
    with Sandbox() as sandbox:
        images = []
        for shade in (0, 40):
            sha256 = store.put(encode_png(np.roll(make_gradient(), shade, axis=1)))
            files.add_media(db, "t", sha256, {**sandbox.probe(store.path(sha256)), "bytes": 1})
            images.append(sha256)

        def submitted(sha256: str) -> str:
            request = SegmentJob(image=MediaRef(id=sha256), points=[[Point(x=3, y=3)]])
            body = request.model_dump_json()
            built = Submission("t", "segment", "auto", "default", body, "h", 900, subject=sha256)
            return jobs.submit(db, built)[0].id

        waiting = [submitted(images[n % 2]) for n in range(2 * MAX_COMPANIONS + 6)]
        runner = Runner(db, store, EngineSet("default", {"concepts": engine}), sandbox, WorkerSettings())
        runner.run(waiting[0], "task")
        rows = [jobs.get(db, "t", job_id) for job_id in waiting]
        succeeded = [n for n, row in enumerate(rows) if row is not None and row.state == "succeeded"]
        assert succeeded == list(range(0, 2 * MAX_COMPANIONS + 2, 2)), (
            "the oldest of the same image, and no more"
        )
        for job_id in waiting:
            runner.run(job_id, "task")
    assert engine.embedded == [images[0], images[1], images[0], images[1]]
    assert all(row is not None and jobs.get(db, "t", row.id).state == "succeeded" for row in rows)  # type: ignore[union-attr]
    db.close()
