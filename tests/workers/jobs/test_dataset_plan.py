"""Every dataset has the plan that makes it again, however its job was submitted."""

import tomllib
from types import SimpleNamespace
from typing import Any

from maquette.contract import DatasetJob, Manifest, MediaRef
from maquette.dataset_plan import PLAN_FILE, DatasetPlan, build_plan, format_plan
from maquette.dataset_plan.running import submit_plan

from tests.support.dataset_worlds import TENANT, Heartbeat, World, version
from tests.workers.jobs.test_dataset_regate import decide, succeed


class Recorder:
    """A client that keeps the request instead of sending it."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}

    def upload(self, source: MediaRef) -> MediaRef:
        return source

    def media(self, ref: MediaRef) -> Any:
        return SimpleNamespace(kind="video")

    def dataset(self, videos: list[MediaRef], **fields: Any) -> None:
        request = DatasetJob.model_validate({"videos": videos, **fields})
        self.request = request.model_dump(mode="json", exclude_none=True)


def read_plan(world: World, manifest: Manifest) -> DatasetPlan:
    [stored] = [item for item in manifest.artefacts if item.name == PLAN_FILE]
    assert stored.role == "document"
    return build_plan(tomllib.loads(world.store.get(stored.sha256).decode()))


def test_the_stored_plan_makes_the_same_version(world: World) -> None:
    sources = [{"name": "a.mp4", "licence": "CC0-1.0", "session": "monday"}, {}]
    options = {"frame_rate": 6.0, "splits": {"train": 0.5, "val": 0.5, "test": 0.0}, "size": 128}
    made = world.go(world.job(sources=sources, skipped={"c.mp4": "video_broken"}, **options), Heartbeat())
    plan = read_plan(world, made)
    assert plan.input.videos == [f"upload:{ref.id}" for ref in world.videos]
    assert plan.input.sources[str(world.videos[0].id)].session == "monday"
    # every default is written
    assert plan.crops == 3 and "crops = 3" in format_plan(plan)
    recorder: Any = Recorder()
    submit_plan(recorder, plan)
    again = world.go(world.job(**recorder.request), Heartbeat())
    assert version(again) == version(made)
    assert format_plan(read_plan(world, again)) == format_plan(plan)


def test_the_plan_of_a_version_that_was_decided_again_makes_it_again(world: World) -> None:
    """By the worker's bounds, then by hand; the client runs the stored plan, job by job."""
    made = world.go(first := world.job(), Heartbeat())
    succeed(world, first, made)
    second, strict = decide(world, {"from_job": first, "gates": {"area": {"low": 1e6}}})
    track = next(iter(strict.result.regated.tracks_removed))  # type: ignore[union-attr]
    review = {"clip": track.clip[:10], "track": track.track, "verdict": "keep", "reason": "seen by eye"}
    _, reviewed = decide(world, {"from_job": second, "reviews": [review]})
    assert version(made) != version(strict) != version(reviewed)
    plan = read_plan(world, reviewed)
    assert [set(step.gates) for step in plan.regates] == [{"area"}, set()]
    # who decided and when is part of the version
    assert plan.regates[1].reviews[0].reviewer == TENANT and plan.regates[1].reviews[0].at is not None
    worked = world.engine.frames

    class Runner(Recorder):
        """A client that runs each job at once."""

        def dataset(self, videos: list[MediaRef], **fields: Any) -> Any:
            super().dataset(videos, **fields)
            job = world.job(**self.request)
            return self._end(job, world.go(job, Heartbeat()))

        def regate(self, job: Any, gates: Any, **fields: Any) -> Any:
            request = {"from_job": job.id, "gates": gates, "reviews": fields["reviews"]}
            return SimpleNamespace(**dict(zip(("id", "manifest"), decide(world, request), strict=True)))

        def _end(self, job: str, manifest: Manifest) -> Any:
            succeed(world, job, manifest)
            return SimpleNamespace(id=job, manifest=manifest)

    runner: Any = Runner()
    waited: list[Any] = []
    again = submit_plan(runner, plan, wait=waited.append)
    assert len(waited) == 2 and version(waited[0].manifest) == version(made)
    assert version(again.manifest) == version(reviewed)
    assert format_plan(read_plan(world, again.manifest)) == format_plan(plan)
    assert world.engine.frames == worked
