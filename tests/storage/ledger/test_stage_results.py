"""Results that later jobs may take over: of the tenant's own jobs, and not without a bound."""

import hashlib

import pytest
from sqlalchemy import update

from storage.ledger import Database, JobRow, Submission, blobs, jobs, leases, stage_results
from storage.ledger.tables import jobs as table


def make_result(db: Database, tenant: str, keys: list[str]) -> JobRow:
    """A succeeded job of a tenant with a file per key."""
    row, _ = jobs.submit(db, Submission(tenant, "dataset", "auto", "default", "{}", "".join(keys), 60))
    held = leases.claim(db, row.id, "w", 30)
    assert held is not None
    hashes = {key: hashlib.sha256(f"{tenant}{key}".encode()).hexdigest() for key in keys}
    for sha256 in hashes.values():
        assert blobs.claim(db, held, blobs.RESULT, sha256, 10)
    stage_results.put(db, held, hashes)
    with db.write() as connection:
        connection.execute(update(table).where(table.c.id == held.id).values(state="succeeded"))
    return held


def test_no_tenant_finds_what_another_has_made(db: Database) -> None:
    own, other = make_result(db, "acme", ["clip"]), make_result(db, "rival", ["clip", "more"])
    assert [item.owner for item in stage_results.find(db, "acme", ["clip", "more"])] == [own.id]
    assert {item.owner for item in stage_results.find(db, "rival", ["clip", "more"])} == {other.id}
    assert stage_results.find(db, "nobody", ["clip"]) == []


def test_the_oldest_results_of_a_tenant_are_forgotten(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_results, "MOST_RESULTS", 2)
    make_result(db, "rival", ["old"])
    for key in ("first", "second", "third"):
        make_result(db, "acme", [key])
    found = {item.key for item in stage_results.find(db, "acme", ["first", "second", "third"])}
    assert found == {"second", "third"}
    assert stage_results.find(db, "rival", ["old"])
