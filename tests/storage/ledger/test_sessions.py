"""Sessions of the ledger, and jobs that wait for one image, on SQLite and on Postgres."""

from dataclasses import replace

import pytest

from storage.ledger import Database, Submission, files, jobs, leases, sessions

IMAGE = "a" * 64
JOB = Submission("acme", "segment", "auto", "default", "{}", "h", 60, subject=IMAGE)


@pytest.fixture(autouse=True)
def video(db: Database) -> None:
    files.add_media(db, "acme", IMAGE, {"bytes": 1})


def test_a_session_is_its_tenants_alone(db: Database) -> None:
    opened = sessions.add(db, "acme", IMAGE, 60, {"prompts": []})
    assert sessions.get(db, "acme", opened.id) == opened
    assert sessions.get(db, "other", opened.id) is None
    assert not sessions.close(db, "other", opened.id)
    assert sessions.close(db, "acme", opened.id)
    assert sessions.get(db, "acme", opened.id) is None


def test_of_two_concurrent_changes_the_second_is_refused(db: Database) -> None:
    opened = sessions.add(db, "acme", IMAGE, 60, {"n": 0})
    first = sessions.change(db, opened, {"n": 1})
    assert first is not None and first.version == 1 and first.expires_at >= opened.expires_at
    assert sessions.change(db, opened, {"n": 2}) is None
    known = sessions.get(db, "acme", opened.id)
    assert known is not None and known.state == {"n": 1}


def test_a_session_whose_time_is_over_is_forgotten(db: Database) -> None:
    kept = sessions.add(db, "acme", IMAGE, 60, {})
    over = sessions.add(db, "acme", IMAGE, 0, {})
    assert sessions.get(db, "acme", over.id) is None
    sessions.drop_expired(db)
    assert not sessions.close(db, "acme", over.id)
    assert sessions.get(db, "acme", kept.id) is not None


def test_jobs_about_one_image_are_claimed_in_order(db: Database) -> None:
    first, _ = jobs.submit(db, JOB)
    other, _ = jobs.submit(db, replace(JOB, subject="b" * 64))
    foreign, _ = jobs.submit(db, replace(JOB, tenant="rival"))
    elsewhere, _ = jobs.submit(db, replace(JOB, queue="sam3"))
    second, _ = jobs.submit(db, JOB)
    third, _ = jobs.submit(db, JOB)
    held = leases.claim(db, first.id, "w", 60)
    assert held is not None
    taken = [leases.claim_next_of_subject(db, held, "w", 60, "t") for _ in range(3)]
    assert [job and job.id for job in taken] == [second.id, third.id, None]
    for left in (other, elsewhere):
        row = jobs.get(db, "acme", left.id)
        assert row is not None and row.state == "queued"
    row = jobs.get(db, "rival", foreign.id)
    assert row is not None and row.state == "queued"


def test_a_job_about_nothing_has_no_companions(db: Database) -> None:
    first, _ = jobs.submit(db, replace(JOB, subject=None))
    jobs.submit(db, replace(JOB, subject=None))
    held = leases.claim(db, first.id, "w", 60)
    assert held is not None
    assert leases.claim_next_of_subject(db, held, "w", 60, None) is None
