"""A dataset job seen from its workers: what each kind of part does."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from maquette.contract import DatasetJob, MediaRef
from sqlalchemy.exc import SQLAlchemyError

from media.errors import MediaError
from storage.ledger import Part, WorkerSeconds
from workers.datasets import asset_work, failures
from workers.datasets.budget_limits import Prices
from workers.datasets.clip_reader import ClipReader
from workers.datasets.clip_work import ClipWork
from workers.datasets.errors import DatasetError
from workers.datasets.executor import AssetTask, PartOutcome, parse_plan
from workers.datasets.failures import Failure
from workers.datasets.local_executor import time_decoding
from workers.datasets.recorded_tracks import RecordedTracks, record_tracks
from workers.datasets.records import ClipRecord, parse_row
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.surveying import survey_source
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineUnavailable
from workers.errors import JobProblem, RetryPart, Stopped
from workers.jobs.context import JobContext
from workers.jobs.dataset_depths import check_depth_count
from workers.jobs.dataset_parts import ASSETS, CLIPS, FETCH, FOLLOW, SURVEY
from workers.jobs.dataset_sources import Origin, fetch_video
from workers.jobs.dataset_world import JobWorkspace, load_components, open_source

# as many as a part has workers to lose
ATTEMPTS = 3
# storage and ledger: a clip is not to blame for them
NOT_OF_THE_CLIP = (OSError, SQLAlchemyError)


@dataclass(frozen=True, slots=True)
class PartResult:
    """The sha256 of a part's outcome, what it took, and the parts that go on from it."""

    output: str
    spent: WorkerSeconds
    then: tuple[Part, ...] = ()


def run_part(context: JobContext) -> PartResult:
    """Do one part; raises JobProblem, MediaError, Stopped or RetryPart."""
    request = DatasetJob.model_validate_json(context.parts.load_parent().request)
    content = json.loads(context.job.request)
    clock = Stopwatch()
    begun = clock.now()
    settings = DatasetSettings.from_request(request, Prices(**content["prices"]))
    try:
        outcome = _RUN[context.job.kind](context, request, settings, content)
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error
    seconds = clock.now() - begun
    on_gpu = context.engines.on_gpu
    output = context.put(replace(outcome, on_gpu=on_gpu).encode())
    then: tuple[Part, ...] = ()
    if context.job.kind == FOLLOW and outcome.limit is None and outcome.failure is None:
        engine = asdict(context.engines.concepts().info)
        rest = json.dumps({**content, "engine": engine, "followed": output})
        then = (Part(CLIPS, str(context.job.part), content["then"], rest),)
    return PartResult(output, WorkerSeconds(seconds, seconds if on_gpu else 0.0), then)


def _fetch(
    context: JobContext, request: DatasetJob, settings: DatasetSettings, content: dict[str, Any]
) -> PartOutcome:
    clock = Stopwatch()
    origin = Origin.from_json(content["origin"])
    with clock("fetch"):
        try:
            told = {"sha256": fetch_video(context, request, origin)}
        except MediaError as error:
            # one broken file is no reason to refuse a bucket; what the caller named has to be there
            if origin.bucket is None:
                raise
            told = {"code": error.code}
    return PartOutcome(json.dumps(told).encode(), clock.seconds)


def _survey(
    context: JobContext, request: DatasetJob, settings: DatasetSettings, content: dict[str, Any]
) -> PartOutcome:
    clock = Stopwatch()
    source = _source(context, request, content)
    try:
        found = survey_source(JobWorkspace(context), clock, source)
    except MediaError as error:
        if error.code in failures.UNSURE and _attempts_left(context):
            raise RetryPart from error
        return PartOutcome(b"", clock.seconds, failure=failures.classify_error(error))
    if source.info.depth is not None:
        # before any engine has worked
        check_depth_count(context, source.info.depth, len(found))
    return PartOutcome(found.encode(), clock.seconds)


def _follow(
    context: JobContext, request: DatasetJob, settings: DatasetSettings, content: dict[str, Any]
) -> PartOutcome:
    if (limit := _limit(context, settings)) is not None:
        return PartOutcome(b"", limit=limit)
    source, plan = _source(context, request, content), parse_plan(content["plan"])
    components, workspace = load_components(context, request, settings), JobWorkspace(context)
    _same(context, ClipWork(workspace, components, settings, source, plan).key())

    def work() -> bytes:
        with closing(ClipReader(source, plan.last)) as reel:
            frames = time_decoding(reel.clip(plan), workspace, components, 0, len(plan.frames))
            return record_tracks(components.track_source, source, plan, settings, frames, components.clock)

    return _tried(context, work, components.clock)


def _clip(
    context: JobContext, request: DatasetJob, settings: DatasetSettings, content: dict[str, Any]
) -> PartOutcome:
    track_source = None
    if (followed := content.get("followed")) is not None:
        # the GPU is paid for, so the rest is done whatever the budget says
        track_source = RecordedTracks(
            EngineInfo(**content["engine"]), PartOutcome.decode(context.get(followed)).data
        )
    elif (limit := _limit(context, settings)) is not None:
        return PartOutcome(b"", limit=limit)
    source, plan = _source(context, request, content), parse_plan(content["plan"])
    components, workspace = load_components(context, request, settings, track_source), JobWorkspace(context)
    work = ClipWork(workspace, components, settings, source, plan)
    _same(context, work.key())

    def run() -> bytes:
        with closing(ClipReader(source, plan.last)) as reel:
            frames = time_decoding(reel.clip(plan), workspace, components, 0, len(plan.frames))
            return work.run(parse_row("clips", content["clip"]), frames).encode()

    return _tried(context, run, components.clock)


def _assets(
    context: JobContext, request: DatasetJob, settings: DatasetSettings, content: dict[str, Any]
) -> PartOutcome:
    if (limit := _limit(context, settings)) is not None:
        return PartOutcome(b"", limit=limit)
    record = ClipRecord.decode(PartOutcome.decode(context.get(content["record"])).data)
    task, engine = AssetTask(record, content["count"]), context.engines.objects()
    _same(context, asset_work.compute_key(task, settings, engine.info))
    clock = Stopwatch()

    def work() -> bytes:
        with clock("assets"):
            return asset_work.add_assets(JobWorkspace(context), engine, settings, task).encode()

    return _tried(context, work, clock)


def _tried(context: JobContext, work: Callable[[], bytes], clock: Stopwatch) -> PartOutcome:
    """What came of a clip, or why nothing can; raises RetryPart while another attempt is left."""
    try:
        return PartOutcome(work(), clock.seconds)
    except (JobProblem, Stopped, EngineUnavailable):
        raise
    except Exception as error:
        failure = failures.classify_error(error)
        if failure is None and isinstance(error, DatasetError):
            raise
        if (failure is None or failure.code in failures.UNSURE) and _attempts_left(context):
            raise RetryPart from error
        if failure is None:
            if isinstance(error, NOT_OF_THE_CLIP):
                raise
            code = "out_of_memory" if isinstance(error, MemoryError) else "engine_failed"
            failure = Failure(code, f"the engine failed on this clip ({type(error).__name__})")
        return PartOutcome(b"", clock.seconds, failure=failure)


def _attempts_left(context: JobContext) -> bool:
    return context.job.attempt - context.job.handed_back < ATTEMPTS


_RUN: dict[str, Callable[[JobContext, DatasetJob, DatasetSettings, dict[str, Any]], PartOutcome]] = {
    FETCH: _fetch,
    SURVEY: _survey,
    FOLLOW: _follow,
    CLIPS: _clip,
    ASSETS: _assets,
}


def _limit(context: JobContext, settings: DatasetSettings) -> float | None:
    if not settings.limits.any:
        return None
    spent = context.parts.worker_seconds()
    return settings.limits.reached(spent.seconds, spent.gpu_seconds)


def _source(context: JobContext, request: DatasetJob, content: dict[str, Any]) -> Source:
    info = Origin.from_json(content["origin"]).info(request)
    return open_source(context, MediaRef(id=content["sha256"]), info)


def _same(context: JobContext, key: str) -> None:
    """Workers of other code or weights would mix two datasets in one."""
    if key != context.job.part:
        raise JobProblem(
            "worker_differs",
            "this worker has other code, weights or plug-ins than the one that planned the job: "
            "run the same release on all workers, and send the job again",
            409,
        )
