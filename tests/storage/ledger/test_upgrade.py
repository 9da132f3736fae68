"""A ledger from before there were references: nothing is lost in the upgrade, and what is deleted goes."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from storage.artefacts.local import LocalStore
from storage.collection import Collector
from storage.ledger import Database, deletion, files, jobs, leases
from storage.ledger.database import MIGRATIONS
from storage.ledger.retention import Retention
from tests.support.history_model import build_manifest

TENANT = "acme"
COLUMNS = (
    "id, tenant, kind, state, engine, queue, request, request_hash, timeout_seconds, attempt, handed_back, "
    "created_at, finished_at, manifest_sha256"
)
INSERT_JOB = f"""INSERT INTO jobs ({COLUMNS}) VALUES (:id, 'acme', 'segment', :state, 'auto', 'default',
    :request, 'h', 60, 1, 0, 1000, :finished, :manifest)"""  # noqa: S608


@pytest.fixture
def old(db: Database) -> Iterator[Database]:
    """A ledger of the release before."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with db.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    yield db


def test_an_old_ledger_keeps_what_is_needed_and_lets_go_what_is_deleted(
    old: Database, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "store")
    image, result, leftover = (store.put(data) for data in (b"image", b"a result", b"of a job that failed"))
    late = hashlib.sha256(b"from an old worker").hexdigest()
    done, waiting = "job_" + "1" * 28, "job_" + "2" * 28
    manifest = store.put(build_manifest({result, late}, done))
    with old.write() as connection:
        connection.execute(
            text("INSERT INTO media VALUES ('acme', :sha256, :info, 1000)"),
            {"sha256": image, "info": json.dumps({"bytes": 5})},
        )
        for sha256 in (result, leftover, manifest):
            connection.execute(
                text("INSERT INTO artefacts VALUES ('acme', :sha256, 'a/b', 8, 1000)"), {"sha256": sha256}
            )
        ended = {"id": done, "state": "succeeded", "request": "{}", "finished": 2000.0, "manifest": manifest}
        asks = json.dumps({"kind": "objects", "image": {"id": image}, "from_job": done})
        still = {"id": waiting, "state": "queued", "request": asks, "finished": None, "manifest": None}
        for row in (ended, still):
            connection.execute(text(INSERT_JOB), row)
    old.migrate()
    # a worker of the older release goes on for a while: it writes no references and no rows of files
    assert store.put(b"from an old worker") == late
    with old.write() as connection:
        connection.execute(
            text("INSERT INTO artefacts VALUES ('acme', :sha256, 'a/b', 18, 1000, NULL)"), {"sha256": late}
        )
    collector = Collector(old, store, Retention(scratch=0), grace_seconds=-1)
    collector.collect()
    # results count from the upgrade, and nothing says yet whose the leftover is
    assert all(store.has(sha256) for sha256 in (image, result, manifest, leftover, late))
    with pytest.raises(deletion.StillNeeded, match=waiting):
        deletion.delete_upload(old, TENANT, image)
    with pytest.raises(deletion.StillNeeded, match=waiting):
        deletion.delete_job(old, TENANT, done)
    held = leases.claim(old, waiting, "w", 30)
    assert held is not None and leases.fail(old, held, {"code": "x"})
    collector.collect()
    assert store.has(result) and store.has(manifest) and not store.has(leftover)
    assert files.find_artefact(old, TENANT, leftover) is None
    assert deletion.delete_job(old, TENANT, done) and deletion.delete_upload(old, TENANT, image)
    collector.collect()
    assert not any(store.has(sha256) for sha256 in (image, result, manifest, late))
    assert jobs.get(old, TENANT, done) is None
