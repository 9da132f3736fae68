"""Bodies jobs share passes of an engine that accepts batches, and a bad image costs no other."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from maquette.contract import BodiesJob, Box, MediaRef, SegmentJob

from storage.ledger import Database, JobRow, Submission, jobs
from tests.support.media_files import make_gradient
from workers.engines.protocols import BodyControls, BodyQuery, EngineInfo, PromptableBodyEngine
from workers.engines.registry import EngineSet
from workers.pipeline import Batcher, SharedEngines
from workers.sharing import find_image, may_share

IMAGE = make_gradient()
SHA = "a" * 64


class FakeBodies:
    """Gives each box back as its body; an image whose first pixel is 255 is bad."""

    info = EngineInfo("fake-bodies", "bodies", "1", "cuda", "Apache-2.0", (), ())

    def __init__(self) -> None:
        self.batches: list[int] = []

    def prepare_people(self, query: BodyQuery) -> BodyQuery:
        return query

    def recover_batch(self, calls: Sequence[BodyQuery]) -> list[Any]:
        self.batches.append(len(calls))
        if any(call.image[0, 0, 0] == 255 for call in calls):
            raise ValueError("a bad image")
        return [list(call.boxes) for call in calls]

    def finish_people(self, call: BodyQuery, raw: Any) -> list[Any]:
        return [(box, call.controls.max_wrist_angle) for box in raw]

    def recover(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("jobs that share go through batches")

    def recover_prompted(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("jobs that share go through batches")

    def at_lod(self, body: Any, lod: int) -> Any:
        return body, lod


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    opened = Batcher(batch=4, wait_seconds=5.0)
    yield opened
    opened.close()


def test_people_of_several_jobs_share_a_pass_and_a_bad_image_fails_alone(batcher: Batcher) -> None:
    engine = FakeBodies()
    shared = SharedEngines(EngineSet("sam3d_body", {"bodies": engine}), batcher)
    bad = np.full_like(IMAGE, 255)
    box = (0.0, 0.0, 9.0, 9.0)

    def recover(image: Any) -> Any:
        bodies = shared.open(lambda: None).bodies()
        assert isinstance(bodies, PromptableBodyEngine)
        return bodies.recover_prompted(image, [box], BodyControls(max_wrist_angle=1.0))

    with ExitStack() as running, ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            running.enter_context(batcher.job())
        calls = [threads.submit(recover, image) for image in (IMAGE, bad, IMAGE, IMAGE)]
        errors = [call.exception(10) for call in calls]
    assert [str(error) if error else None for error in errors] == [None, "a bad image", None, None]
    assert calls[0].result() == [(box, 1.0)] and engine.batches[0] == 4
    one: Any = shared.open(lambda: None).bodies()
    assert one.at_lod("body", 2) == ("body", 2)


@pytest.fixture
def db(tmp_path: Any) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened.migrate()
    yield opened
    opened.close()


def submit(db: Database, kind: str, body: str, subject: str | None = None) -> JobRow:
    row = Submission("t", kind, "auto", "default", body, kind + body, 900, subject=subject)
    return jobs.submit(db, row)[0]


def test_a_segment_job_of_many_images_has_the_process_for_itself(db: Database) -> None:
    fields = {"image": {"id": SHA}, "text": ["cat"], "images": [{"image": {"id": SHA}}]}
    many = submit(db, "segment", SegmentJob.model_validate(fields).model_dump_json(), SHA)
    assert not may_share(db, many, EngineSet("a", {}))


def test_only_bodies_jobs_about_an_image_share_and_only_where_people_are_batched(db: Database) -> None:
    batched, plain = EngineSet("a", {"bodies": FakeBodies()}), EngineSet("a", {"bodies": object()})
    boxes = [Box(x0=0, y0=0, x1=9, y1=9)]
    image = submit(db, "bodies", BodiesJob(image=MediaRef(id=SHA), boxes=boxes).model_dump_json())
    video = submit(db, "bodies", BodiesJob(video=MediaRef(id=SHA)).model_dump_json())
    segment = submit(db, "segment", "{}", SHA)
    track = submit(db, "track", "{}")
    of_segment = submit(db, "bodies", f'{{"image": null, "from_job": "{segment.id}"}}')
    of_track = submit(db, "bodies", f'{{"image": null, "from_job": "{track.id}"}}')
    rows = (image, video, segment, track, of_segment, of_track)
    assert [may_share(db, row, batched) for row in rows] == [True, False, True, False, True, False]
    assert [may_share(db, row, plain) for row in rows] == [False, False, True, False, False, False]
    assert [find_image(db, row) for row in rows] == [SHA, None, SHA, None, SHA, None]
