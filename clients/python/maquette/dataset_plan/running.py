"""Run a plan: upload its videos and submit the job, or estimate its cost from a trial."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from maquette.client import Maquette
from maquette.cost_estimate import TRIAL_CLIPS, CostEstimate, choose_trial_videos, estimate_cost
from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.schema import DatasetPlan
from maquette.dataset_plan.uploading import SkipCallback, UploadedVideos, upload_videos
from maquette.dataset_plan.videos import PlannedVideo, bucket_addresses, collect_videos
from maquette.handles import Job
from maquette.progress import ProgressCallback
from maquette.results import DatasetResult
from maquette.skipping import refuse_all

# a trial publishes nothing, and budgets are for the complete dataset
UNBOUNDED = dict.fromkeys(("publish", "max_seconds", "max_gpu_seconds", "max_dollars"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEstimate:
    """What a plan will take, and the trial that says so.

    `videos` are those that it is for; of the others, `unmeasured`, the sizes are not known.
    """

    cost: CostEstimate
    videos: int
    unmeasured: int
    trial_videos: int
    trial_job: str


def submit_plan(
    mq: Maquette,
    plan: DatasetPlan,
    on_skip: SkipCallback | None = None,
    wait: Callable[[Job[DatasetResult]], object] = Job.wait,
) -> Job[DatasetResult]:
    """Upload the videos of a plan and submit its job.

    Videos that cannot be used are left out; `on_skip` is called with each, and the result and the dataset
    name them. Raises InputRefused where none is left, and for the first of a strict plan.

    A plan with `regates` takes a job for each version on the way, which `wait` is called with; the job of the
    last version is returned.
    """
    first = plan.model_copy(update={"publish": None}) if plan.regates else plan
    job = _submit_videos(mq, first, on_skip)
    for number, regate in enumerate(plan.regates, 1):
        wait(job)
        # versions on the way are published nowhere
        publish = plan.publish if number == len(plan.regates) else None
        job = mq.regate(job, dict(regate.gates), reviews=regate.reviews, publish=publish)
    return job


def _submit_videos(mq: Maquette, plan: DatasetPlan, on_skip: SkipCallback | None) -> Job[DatasetResult]:
    """Submit the job of a plan's first version."""
    is_remote = plan.input.remote
    videos = collect_videos(plan, skip_buckets=is_remote)
    facts = plan.input.source.model_dump(exclude_none=True, exclude_unset=True)
    rate = plan.input.numbered_rate
    remote = bucket_addresses(plan.input) if is_remote else []
    buckets = [{"address": address, "source": facts, "frame_rate": rate} for address in remote]
    uploaded = _upload(mq, plan, videos, on_skip, may_be_empty=bool(buckets))
    return _submit(mq, plan, uploaded, buckets=buckets)


def estimate_plan(
    mq: Maquette,
    plan: DatasetPlan,
    progress: bool | ProgressCallback,
    on_submit: Callable[[Job[DatasetResult]], object] | None = None,
    on_skip: SkipCallback | None = None,
) -> PlanEstimate:
    """Run a few clips of a plan and scale their cost; nothing is published.

    `on_submit` is called with the trial's job before it is waited for, `on_skip` as in `submit_plan`.
    Raises PlanError for a plan of https addresses and uploads alone, whose sizes are not known.
    """
    # sizes are needed, so buckets are listed from here even if workers read them
    planned = collect_videos(plan)
    videos = [video for video in planned if video.bytes is not None]
    if not videos:
        raise PlanError("an estimate needs files: sizes of uploads and https addresses are not known")
    chosen = choose_trial_videos(videos)
    # others stand in for those that cannot be used
    ordered = [*chosen, *(video for video in videos if video not in chosen)]
    uploaded = _upload(mq, plan, ordered, on_skip, most=len(chosen))
    trial = uploaded.videos
    job = _submit(mq, plan.model_copy(update=UNBOUNDED), uploaded, max_clips=TRIAL_CLIPS)
    if on_submit is not None:
        on_submit(job)
    result = job.wait(progress=progress)
    timing = next(artefact for artefact in result.artefacts if artefact.name == "timing.json")
    cost = estimate_cost(json.loads(mq.read(timing)), _total_bytes(trial), _total_bytes(videos))
    return PlanEstimate(
        cost=cost,
        videos=len(videos),
        unmeasured=len(planned) - len(videos),
        trial_videos=len(trial),
        trial_job=job.id,
    )


def _upload(
    mq: Maquette,
    plan: DatasetPlan,
    videos: list[PlannedVideo],
    on_skip: SkipCallback | None,
    *,
    may_be_empty: bool = False,
    most: int | None = None,
) -> UploadedVideos:
    rate = plan.input.numbered_rate
    uploaded = upload_videos(mq, videos, rate, on_skip, strict=plan.strict, most=most)
    if uploaded.skipped and not uploaded.refs and not may_be_empty:
        raise refuse_all(uploaded.skipped)
    return uploaded


def _submit(mq: Maquette, plan: DatasetPlan, uploaded: UploadedVideos, **fields: Any) -> Job[DatasetResult]:
    sources = [video.info for video in uploaded.videos]
    options = {**plan.job_options(), **fields}
    skipped = {**plan.input.skipped, **uploaded.reasons()}
    return mq.dataset(uploaded.refs, sources=sources, skipped=skipped, **options)


def _total_bytes(videos: Iterable[PlannedVideo]) -> int:
    return sum(video.bytes or 0 for video in videos)
