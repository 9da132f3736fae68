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
from workers.datasets.clip_work import ClipWork
from workers.datasets.crew import AssetTask, Outcome, plan_of
from workers.datasets.errors import DatasetError
from workers.datasets.failures import Failure
from workers.datasets.following_apart import Followed, follow
from workers.datasets.limits import Prices
from workers.datasets.records import ClipRecord, row_of
from workers.datasets.reels import Reel
from workers.datasets.serial import told
from workers.datasets.settings import Settings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.surveying import surveyed
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineUnavailable
from workers.errors import JobProblem, RetryPart, Stopped
from workers.jobs.context import JobContext
from workers.jobs.dataset_depths import counted
from workers.jobs.dataset_parts import ASSETS, CLIPS, FETCH, FOLLOW, SURVEY
from workers.jobs.dataset_sources import Origin, fetch
from workers.jobs.dataset_world import JobPorts, source_of, tools_of

# as many as a part has workers to lose
ATTEMPTS = 3
# storage and ledger: a clip is not to blame for them
NOT_OF_THE_CLIP = (OSError, SQLAlchemyError)


@dataclass(frozen=True, slots=True)
class PartDone:
    """The sha256 of a part's outcome, what it took, and the parts that go on from it."""

    output: str
    spent: WorkerSeconds
    then: tuple[Part, ...] = ()


def run_part(context: JobContext) -> PartDone:
    """Do one part; raises JobProblem, MediaError, Stopped or RetryPart."""
    request = DatasetJob.model_validate_json(context.whole().request)
    content = json.loads(context.job.request)
    clock = Stopwatch()
    begun = clock.now()
    settings = Settings.of(request, Prices(**content["prices"]))
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
    return PartDone(output, WorkerSeconds(seconds, seconds if on_gpu else 0.0), then)


def _fetch(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    clock = Stopwatch()
    origin = Origin.of(content["origin"])
    with clock("fetch"):
        try:
            told = {"sha256": fetch(context, request, origin)}
        except MediaError as error:
            # one broken file is no reason to refuse a bucket; what the caller named has to be there
            if origin.bucket is None:
                raise
            told = {"code": error.code}
    return Outcome(json.dumps(told).encode(), clock.seconds)


def _survey(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    clock = Stopwatch()
    source = _source(context, request, content)
    try:
        found = surveyed(JobPorts(context), clock, source)
    except MediaError as error:
        if error.code in failures.UNSURE and _attempts_left(context):
            raise RetryPart from error
        return Outcome(b"", clock.seconds, failure=failures.of(error))
    if source.info.depth is not None:
        # before any engine has worked
        counted(context, source.info.depth, len(found))
    return Outcome(found.encode(), clock.seconds)


def _follow(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    if (limit := _limit(context, settings)) is not None:
        return Outcome(b"", limit=limit)
    source, plan = _source(context, request, content), plan_of(content["plan"])
    tools, ports = tools_of(context, request, settings), JobPorts(context)
    _same(context, ClipWork(ports, tools, settings, source, plan).key())

    def work() -> bytes:
        with closing(Reel(source, plan.last)) as reel:
            frames = told(reel.clip(plan), ports, tools, 0, len(plan.frames))
            return follow(tools.maker, source, plan, settings, frames, tools.clock)

    return _tried(context, work, tools.clock)


def _clip(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    maker = None
    if (followed := content.get("followed")) is not None:
        # the GPU is paid for, so the rest is done whatever the budget says
        maker = Followed(EngineInfo(**content["engine"]), Outcome.decode(context.stored(followed)).data)
    elif (limit := _limit(context, settings)) is not None:
        return Outcome(b"", limit=limit)
    source, plan = _source(context, request, content), plan_of(content["plan"])
    tools, ports = tools_of(context, request, settings, maker), JobPorts(context)
    work = ClipWork(ports, tools, settings, source, plan)
    _same(context, work.key())

    def run() -> bytes:
        with closing(Reel(source, plan.last)) as reel:
            frames = told(reel.clip(plan), ports, tools, 0, len(plan.frames))
            return work.run(row_of("clips", content["clip"]), frames).encode()

    return _tried(context, run, tools.clock)


def _assets(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    if (limit := _limit(context, settings)) is not None:
        return Outcome(b"", limit=limit)
    record = ClipRecord.decode(Outcome.decode(context.stored(content["record"])).data)
    task, engine = AssetTask(record, content["count"]), context.engines.objects()
    _same(context, asset_work.key(task, settings, engine.info))
    clock = Stopwatch()

    def work() -> bytes:
        with clock("assets"):
            return asset_work.lift(JobPorts(context), engine, settings, task).encode()

    return _tried(context, work, clock)


def _tried(context: JobContext, work: Callable[[], bytes], clock: Stopwatch) -> Outcome:
    """What came of a clip, or why nothing can; raises RetryPart while another attempt is left."""
    try:
        return Outcome(work(), clock.seconds)
    except (JobProblem, Stopped, EngineUnavailable):
        raise
    except Exception as error:
        failure = failures.of(error)
        if failure is None and isinstance(error, DatasetError):
            raise
        if (failure is None or failure.code in failures.UNSURE) and _attempts_left(context):
            raise RetryPart from error
        if failure is None:
            if isinstance(error, NOT_OF_THE_CLIP):
                raise
            code = "out_of_memory" if isinstance(error, MemoryError) else "engine_failed"
            failure = Failure(code, f"the engine failed on this clip ({type(error).__name__})")
        return Outcome(b"", clock.seconds, failure=failure)


def _attempts_left(context: JobContext) -> bool:
    return context.job.attempt - context.job.handed_back < ATTEMPTS


_RUN: dict[str, Callable[[JobContext, DatasetJob, Settings, dict[str, Any]], Outcome]] = {
    FETCH: _fetch,
    SURVEY: _survey,
    FOLLOW: _follow,
    CLIPS: _clip,
    ASSETS: _assets,
}


def _limit(context: JobContext, settings: Settings) -> float | None:
    if not settings.limits.any:
        return None
    spent = context.spent()
    return settings.limits.reached(spent.seconds, spent.gpu_seconds)


def _source(context: JobContext, request: DatasetJob, content: dict[str, Any]) -> Source:
    info = Origin.of(content["origin"]).info(request)
    return source_of(context, MediaRef(id=content["sha256"]), info)


def _same(context: JobContext, key: str) -> None:
    """Workers of other code or weights would mix two datasets in one."""
    if key != context.job.part:
        raise JobProblem(
            "worker_differs",
            "this worker has other code, weights or plug-ins than the one that planned the job: "
            "run the same release on all workers, and send the job again",
            409,
        )
