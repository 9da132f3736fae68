"""What real jobs store, and what is left of it once everything is deleted."""

from pathlib import Path

import pytest
from maquette import Gone, Maquette, NotFound

from service.embedded import Stack
from storage.artefacts.local import LocalStore
from storage.checking import check_store
from storage.collection import Collector
from storage.ledger import Database
from storage.ledger.retention import Retention
from tests.support.scenes import draw_ball, make_wall, write_ball_video
from workers.geometry.boxes import bounding_box

NOW = Retention(uploads=0, results=0, events=0, scratch=1e-9)


@pytest.fixture
def db(stack: Stack) -> Database:
    return Database(f"sqlite:///{stack.folder / 'ledger.db'}")


@pytest.fixture
def store(stack: Stack) -> LocalStore:
    return LocalStore(stack.folder / "artefacts")


def test_every_file_of_a_job_is_accounted_for_and_goes_with_it(
    mq: Maquette, db: Database, store: LocalStore, tmp_path: Path
) -> None:
    write_ball_video(tmp_path / "ball.mp4", 50)
    # like nothing that other tests of this stack store: files are shared by their content
    image = make_wall(seed=15)
    ball = draw_ball(image, (118, 97), 47, (40, 90, 210))
    upload = mq.upload(image)
    segmented = mq.segment(upload, boxes=[bounding_box(ball)])
    segmented.wait()
    lifted = mq.objects(from_job=segmented.id)
    artefacts = [*lifted.wait().artefacts]
    tracked = mq.track(tmp_path / "ball.mp4", boxes=[(11, 13, 63, 58)])
    artefacts += tracked.wait().artefacts
    # checkpoints and manifests included, nothing lies there that the ledger does not know
    assert check_store(db, store, min_age_seconds=-1, repair=False).counts == {}

    mq.delete_artefact(artefacts[0])
    with pytest.raises(Gone):
        mq.read(artefacts[0])
    for job in (lifted, segmented, tracked):
        job.delete()
        with pytest.raises(NotFound):
            job.refresh()
    mq.delete_upload(upload)
    Collector(db, store, NOW, grace_seconds=-1).collect()
    left = {file.sha256 for file in store.list_files("")}
    assert left & {artefact.sha256 for artefact in artefacts} == set()
    assert upload.id not in left
    assert check_store(db, store, min_age_seconds=-1, repair=False).counts == {}
