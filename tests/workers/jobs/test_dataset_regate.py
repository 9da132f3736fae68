"""A dataset job that decides the version of an earlier one by other bounds."""

from pathlib import Path
from typing import Any

import pytest
from maquette.contract import DatasetJob, DatasetResult, Manifest
from pydantic import ValidationError
from sqlalchemy import update

from storage.ledger import Submission, jobs
from storage.ledger.tables import jobs as table
from tests.support.dataset_worlds import QUEUE, TENANT, Heartbeat, World
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify
from workers.errors import JobProblem

REVIEW = {"clip": "0f3a9c2e", "track": 2, "verdict": "keep"}


def succeed(world: World, job_id: str, manifest: Manifest) -> None:
    """What the runner does when a job has ended."""
    sha256 = world.store.put(manifest.model_dump_json().encode())
    with world.db.write() as connection:
        ended = update(table).where(table.c.id == job_id)
        connection.execute(ended.values(state="succeeded", manifest_sha256=sha256, lease_until=None))


def regate(world: World, job_id: str, **gates: Any) -> tuple[str, Manifest]:
    return decide(world, {"from_job": job_id, "gates": gates})


def decide(world: World, fields: dict[str, Any]) -> tuple[str, Manifest]:
    request = DatasetJob.model_validate(fields)
    world.count += 1
    submission = Submission(
        TENANT, "dataset", "auto", QUEUE, request.model_dump_json(), f"{world.count}", 900, None
    )
    row, _ = jobs.submit(world.db, submission)
    manifest = world.go(str(row.id), Heartbeat())
    succeed(world, str(row.id), manifest)
    return str(row.id), manifest


def test_a_job_decides_the_version_of_another_again(world: World, tmp_path: Path) -> None:
    first = world.job()
    before = world.go(first, Heartbeat())
    succeed(world, first, before)
    worked = world.engine.frames
    second, strict = regate(world, first, area={"low": 1e6})
    result = strict.result
    assert isinstance(result, DatasetResult) and isinstance(before.result, DatasetResult)
    assert result.tracks == 0 and result.regated is not None
    assert [item.gates for item in result.regated.tracks_removed] == [["area"]] * before.result.tracks
    assert strict.provenance.from_job == first and "tracks_rejected" in strict.flags
    folder = world.save(strict, tmp_path / "strict")
    assert verify(folder) == [] and Dataset(folder).manifest.parents == (before.result.version,)
    assert {"report.html", "takedown.json"} <= {artefact.name for artefact in strict.artefacts}
    # and back again: all that the first version had, without the engine
    _, lenient = regate(world, second, area={"low": 64})
    again = world.save(lenient, tmp_path / "lenient")
    assert verify(again) == [] and isinstance(lenient.result, DatasetResult)
    assert lenient.result.observations == before.result.observations
    assert lenient.result.regated is not None
    assert len(lenient.result.regated.tracks_added) == before.result.tracks
    assert world.engine.frames == worked


def test_a_job_takes_decisions_by_hand_and_later_jobs_do_not_reuse_them(world: World, tmp_path: Path) -> None:
    first = world.job()
    before = world.go(first, Heartbeat())
    succeed(world, first, before)
    track = Dataset(world.save(before, tmp_path / "before")).rows("tracks")[0]
    review = {"clip": track.clip, "track": track.track, "verdict": "reject", "reason": "a reflection"}
    _, reviewed = decide(world, {"from_job": first, "reviews": [review]})
    data = Dataset(world.save(reviewed, tmp_path / "reviewed"))
    assert verify(data.folder) == []
    [row] = [row for row in data.rows("decisions") if row.gate == "review"]
    assert (row.track, row.passed, row.reason) == (track.track, False, "a reflection")
    # the request named nobody and no time: the tenant, and when it was submitted
    assert row.reviewer == TENANT and row.reviewed_at is not None
    again = world.go(world.job(), Heartbeat())
    assert isinstance(again.result, DatasetResult) and isinstance(before.result, DatasetResult)
    assert again.result.tracks == before.result.tracks
    with pytest.raises(JobProblem) as caught:
        decide(world, {"from_job": first, "reviews": [{**review, "track": 99}]})
    assert caught.value.problem.code == "review_misfit"


def test_an_unknown_earlier_job_is_refused(world: World) -> None:
    with pytest.raises(JobProblem) as caught:
        regate(world, "job_" + "0" * 28, area={"low": 1})
    assert caught.value.problem.code == "source_not_ready"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"from_job": None, "text": ["cup"], "reviews": [REVIEW]}, "needs 'from_job'"),
        ({"reviews": [REVIEW, {**REVIEW, "verdict": "reject"}]}, "twice"),
        ({"reviews": [{**REVIEW, "verdict": "maybe"}]}, "verdict"),
        ({"gates": {}}, "needs 'gates'"),
        ({"gates": {"area": {"low": 1}}, "text": ["cup"]}, "not with 'text'"),
        ({"gates": {"area": {"low": 1}}, "frame_rate": 5}, "not with 'frame_rate'"),
    ],
)
def test_only_bounds_go_with_an_earlier_job(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetJob.model_validate({"from_job": "job_" + "0" * 28, **fields})
