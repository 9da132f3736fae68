"""What a worker does with each kind of part of a dataset job."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from maquette.contract import DatasetJob
from maquette.contract.datasets import FunnelStep
from sqlalchemy.exc import SQLAlchemyError

from media.errors import MediaError
from storage.ledger import Part, WorkerSeconds
from workers.datasets import failures
from workers.datasets.budget_limits import Prices
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_frames import read_frames
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.clip_reader import ClipReader
from workers.datasets.components import build_clip_stages
from workers.datasets.errors import DatasetError
from workers.datasets.executor import compute_clip_key, run_stages
from workers.datasets.failures import Failure
from workers.datasets.protocols import TrackSource
from workers.datasets.recorded_tracks import record_tracks, replay_tracks
from workers.datasets.records import ClipRecord, parse_row
from workers.datasets.settings import DatasetSettings
from workers.datasets.stages.assets import AssetStage
from workers.datasets.stages.base import ClipStage
from workers.datasets.stages.survey import SurveyStage
from workers.datasets.summary import build_clip_funnel
from workers.datasets.tasks import AssetTask, ClipTask, SurveyTask
from workers.datasets.track_sources import RemoteTracks
from workers.engines.gpu_faults import is_out_of_memory
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineUnavailable
from workers.errors import JobProblem, RetryPart, Stopped
from workers.jobs.context import JobContext
from workers.jobs.dataset.origins import Origin, fetch_video
from workers.jobs.dataset.outcomes import ASSETS, CLIPS, FETCH, HANDED_OVER, SURVEY, PartOutcome
from workers.jobs.dataset.running_part import RunningPart
from workers.jobs.dataset.source_depths import check_depth_count
from workers.jobs.dataset.stage_placement import Placement
from workers.jobs.dataset.workspace import (
    JobWorkspace,
    load_components,
    load_engine_tracks,
)

# storage and ledger: not the fault of a clip
INFRASTRUCTURE_ERRORS = (OSError, SQLAlchemyError)


@dataclass(frozen=True, slots=True)
class PartResult:
    """The sha256 of a part's outcome, what it took, the part that follows it, and what its stages kept."""

    output: str
    spent: WorkerSeconds
    then: tuple[Part, ...] = ()
    funnel: tuple[FunnelStep, ...] = ()


def run_part(context: JobContext) -> PartResult:
    """Run one part; raises JobProblem, MediaError, Stopped or RetryPart."""
    request = DatasetJob.model_validate_json(context.parts.load_parent().request)
    content = json.loads(context.job.request)
    settings = DatasetSettings.from_request(request, Prices(**content["prices"]))
    part = RunningPart(context, request, settings, content)
    begun = part.stopwatch.now()
    try:
        outcome = _RUN[context.job.kind](part)
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error
    seconds = part.stopwatch.now() - begun
    on_gpu = context.engines.on_gpu
    output = context.put(replace(outcome, on_gpu=on_gpu).encode())
    then = _hand_over(part, output) if outcome.is_done else ()
    is_clip = outcome.is_done and context.job.kind == CLIPS
    funnel = build_clip_funnel(ClipRecord.decode(outcome.data).rows) if is_clip else ()
    return PartResult(output, WorkerSeconds(seconds, seconds if on_gpu else 0.0), then, funnel)


def _hand_over(part: RunningPart, output: str) -> tuple[Part, ...]:
    """The part of the next placement of a clip, which resumes from this one's output."""
    step = part.content.get("step", 0) + 1
    if step >= len(part.content.get("placements", ())):
        return ()
    placement = Placement.from_json(part.content["placements"][step])
    request = json.dumps({**part.content, "step": step, "handed_over": output})
    return (Part(placement.kind, str(part.context.job.part), placement.queue, request),)


def _fetch(part: RunningPart) -> PartOutcome:
    origin = Origin.from_json(part.content["origin"])
    with part.stopwatch("fetch"):
        try:
            result = {"sha256": fetch_video(part.context, part.request, origin)}
        except MediaError as error:
            result = {"code": error.code, "detail": error.detail}
    return part.finish(json.dumps(result).encode())


def _survey(part: RunningPart) -> PartOutcome:
    task = SurveyTask(part.open_source())
    stage = SurveyStage(JobWorkspace(part.context))
    part.check_key(stage.key(task).digest())
    try:
        survey = run_stages([stage], task, part.stopwatch).survey
    except MediaError as error:
        if error.code in failures.TRANSIENT_CODES and part.has_attempts_left:
            raise RetryPart from error
        return part.fail(failures.classify_error(error))
    assert survey is not None
    if task.source.info.depth is not None:
        # before any engine has worked
        check_depth_count(part.context, task.source.info.depth, len(survey))
    return part.finish(survey.encode())


def _run_clip(part: RunningPart) -> PartOutcome:
    """Run the stages of a clip that are placed here, on what the part before handed over."""
    handed_over = part.content.get("handed_over")
    # a clip whose GPU time is paid for is finished whatever the budget says
    if handed_over is None and (limit := part.limit) is not None:
        return PartOutcome(b"", limit=limit)
    plan, workspace = ClipPlan.from_json(part.content["plan"]), JobWorkspace(part.context)
    task = ClipTask(part.open_source(), plan, parse_row("clips", part.content["clip"]))
    placement = Placement.from_json(part.content["placements"][part.content["step"]])
    components = load_components(part.request, _load_track_source(part, placement))
    stages = build_clip_stages(components, part.settings, workspace, part.stopwatch)
    part.check_key(compute_clip_key(stages, task))
    placed = [stage for stage in stages if stage.name in placement.stages]
    return _attempt(part, lambda: _run_placed(part, task, placed, workspace, handed_over))


def _load_track_source(part: RunningPart, placement: Placement) -> TrackSource:
    """The engine where it tracks; elsewhere what its worker said about it."""
    if "tracks" in placement.stages:
        return load_engine_tracks(part.context, part.request, part.settings)
    return RemoteTracks(EngineInfo(**part.content["engine"]))


def _run_placed(
    part: RunningPart,
    task: ClipTask,
    stages: list[ClipStage],
    workspace: JobWorkspace,
    handed_over: str | None,
) -> bytes:
    """The record of a finished clip, or the tracks that the next part needs."""
    total = len(task.plan.frames)

    def report(done: int) -> None:
        workspace.report_progress("clips", done, total)

    with closing(ClipReader(task.source, task.plan.last)) as reader:
        decoded = reader.read(task.plan)
        frames = read_frames(decoded, task.source, part.settings, part.stopwatch, report)
        if handed_over is not None:
            tracks = PartOutcome.decode(part.context.get(handed_over)).data
            frames = replay_tracks(frames, tracks)
        batch = run_stages(stages, ClipBatch(task=task, frames=frames), part.stopwatch)
        return record_tracks(batch.frames) if batch.record is None else batch.record.encode()


def _make_assets(part: RunningPart) -> PartOutcome:
    if (limit := part.limit) is not None:
        return PartOutcome(b"", limit=limit)
    record = ClipRecord.decode(PartOutcome.decode(part.context.get(part.content["record"])).data)
    task, engine = AssetTask(record, part.content["count"]), part.context.engines.objects()
    stage = AssetStage(JobWorkspace(part.context), part.settings.seed, engine.info, engine)
    part.check_key(stage.compute_cache_key(task))
    return _attempt(part, lambda: run_stages([stage], task, part.stopwatch).record.encode())


def _attempt(part: RunningPart, work: Callable[[], bytes]) -> PartOutcome:
    """The outcome of a clip, or why there can be none; raises RetryPart while another attempt is left."""
    try:
        return part.finish(work())
    except (JobProblem, Stopped, EngineUnavailable):
        raise
    except Exception as error:
        failure = failures.classify_error(error)
        if failure is None and isinstance(error, DatasetError):
            raise
        may_pass = failure is None or failure.code in failures.TRANSIENT_CODES
        if may_pass and part.has_attempts_left:
            raise RetryPart from error
        if failure is None:
            if isinstance(error, INFRASTRUCTURE_ERRORS):
                raise
            code = "out_of_memory" if is_out_of_memory(error) else "engine_failed"
            failure = Failure(code, f"the engine failed on this clip ({type(error).__name__})")
        return part.fail(failure)


_RUN: dict[str, Callable[[RunningPart], PartOutcome]] = {
    FETCH: _fetch,
    SURVEY: _survey,
    HANDED_OVER: _run_clip,
    CLIPS: _run_clip,
    ASSETS: _make_assets,
}
