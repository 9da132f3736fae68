"""A dataset job takes over the clips of earlier ones where nothing that they depend on has changed."""

from typing import Any

import pytest
from maquette.contract import DatasetResult, Manifest
from sqlalchemy import func, select, update

from storage.ledger import retention
from storage.ledger.deletion import delete_job
from storage.ledger.retention import EndedJob
from storage.ledger.tables import blob_refs, stage_results
from storage.ledger.tables import jobs as table
from tests.support.dataset_worlds import TENANT, Heartbeat, World, version
from workers.jobs.dataset import earlier_clips
from workers.jobs.dataset.outcomes import SURVEY

SMALL = {"near_duplicate": {}, "area": {"low": 1e6}}


def run(world: World, **options: Any) -> tuple[Manifest, int]:
    """The manifest of a job that succeeds, and how many frames the engine saw for it."""
    before, job_id = world.engine.frames, world.job(**options)
    manifest = world.go(job_id, Heartbeat())
    sha256 = world.store.put(manifest.model_dump_json().encode())
    with world.db.write() as connection:
        ended = update(table).where(table.c.id == job_id)
        connection.execute(ended.values(state="succeeded", manifest_sha256=sha256, lease_until=None))
    return manifest, world.engine.frames - before


def count_surveys(world: World) -> int:
    """Videos that were surveyed so far."""
    with world.db.read() as connection:
        query = select(func.count()).where(table.c.kind == SURVEY)
        return int(connection.execute(query).scalar_one())


@pytest.fixture(scope="module")
def first(world: World) -> Manifest:
    manifest, frames = run(world)
    assert frames
    return manifest


def test_an_identical_job_makes_the_same_version_without_the_engine(world: World, first: Manifest) -> None:
    again, frames = run(world, reuse=True)
    assert frames == 0 and version(again) == version(first)
    assert again.artefacts == first.artefacts


def test_an_older_job_is_found_by_what_its_clips_depend_on(
    world: World, first: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, size=128)
    monkeypatch.setattr(earlier_clips, "MOST_JOBS", 1)
    surveys = count_surveys(world)
    again, frames = run(world, reuse=True)
    assert frames == 0 and version(again) == version(first)
    assert count_surveys(world) == surveys
    _, frames = run(world, reuse=True, size=192)
    assert frames and count_surveys(world) == surveys
    run(world)
    assert count_surveys(world) == surveys + len(world.videos)


def test_other_bounds_are_decided_without_the_engine(world: World, first: Manifest) -> None:
    reused, none = run(world, reuse=True, gates=SMALL)
    fresh, some = run(world, gates=SMALL)
    assert none == 0 and some and version(reused) == version(fresh)
    assert isinstance(reused.result, DatasetResult) and reused.result.tracks == 0
    # and back, from a version that rejected everything
    back, none = run(world, reuse=True)
    assert none == 0 and version(back) == version(first)


def test_what_a_clip_depends_on_is_not_taken_over(world: World, first: Manifest) -> None:
    for options in ({"size": 144}, {"threshold": 0.3}, {"clip_seconds": 0.8}, {"max_clips": 2}):
        _, frames = run(world, reuse=True, **options)
        assert frames > 0, options


def test_files_that_were_deleted_are_made_again(
    world: World, first: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_clips.EarlierClips, "_hold", lambda *_: False)
    again, frames = run(world, reuse=True)
    assert frames and version(again) == version(first)


@pytest.mark.slow
def test_changes_are_compared_again_for_the_tracks_that_are_kept(world: World, first: Manifest) -> None:
    compared, frames = run(world, reuse=True, changes=3)
    assert frames and version(compared) != version(first)
    # the newest version has changes, which this job did not ask for
    without, none = run(world, reuse=True)
    assert none == 0 and version(without) == version(first)
    reused, none = run(world, reuse=True, changes=3, gates=SMALL)
    fresh, some = run(world, changes=3, gates=SMALL)
    assert none == 0 and some and version(reused) == version(fresh)


def test_results_go_with_the_jobs_that_made_them(world: World, first: Manifest) -> None:
    surveys = count_surveys(world)
    with world.db.read() as connection:
        mine = select(table.c.id).where(table.c.state == "succeeded", table.c.parent.is_(None))
        made = list(connection.execute(mine).scalars())
    with world.db.read() as connection:
        kept = set(connection.execute(select(stage_results.c.owner)).scalars())
    assert kept == set(made)
    # released, a job keeps what later jobs may need
    for job_id in made:
        ended = EndedJob(job_id, TENANT, None, False)
        while not retention.release_batch(world.db, ended, frozenset()):
            pass
    with world.db.read() as connection:
        query = select(stage_results.c.owner, stage_results.c.sha256)
        for owner, sha256 in connection.execute(query).all():
            mine = (blob_refs.c.owner == owner, blob_refs.c.sha256 == sha256)
            assert connection.execute(select(func.count()).select_from(blob_refs).where(*mine)).scalar_one()
    for job_id in made:
        assert delete_job(world.db, TENANT, job_id)
    with world.db.read() as connection:
        assert connection.execute(select(func.count()).select_from(stage_results)).scalar_one() == 0
    again, frames = run(world, reuse=True)
    assert frames and count_surveys(world) == surveys + len(world.videos)
    assert version(again) == version(first)
