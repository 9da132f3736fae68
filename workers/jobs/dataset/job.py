"""A dataset job: plans, collects the outcomes of its parts, and writes a version."""

import json
from importlib.metadata import version

from maquette.contract import DatasetJob, Manifest
from maquette.contract.datasets import SourceInfo
from maquette.contract.results.dataset import ExportedFormat
from maquette.dataset_plan import plan_request

from storage.broker import DEFAULT_QUEUE
from workers.datasets.budget_limits import Prices
from workers.datasets.components import build_clip_stages
from workers.datasets.errors import DatasetError
from workers.datasets.pipeline import Pipeline, PipelineResult
from workers.datasets.settings import DatasetSettings
from workers.datasets.splits import flag_sessions
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.timing import build_timing
from workers.datasets.version import DatasetVersion, write_version
from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.distributed_executor import AssetEngine, DistributedExecutor
from workers.jobs.dataset.earlier_clips import EarlierClips, record_clips
from workers.jobs.dataset.exporting import check_exports, export_version, flag_result, run_export
from workers.jobs.dataset.origins import list_origins
from workers.jobs.dataset.part_collector import PartCollector
from workers.jobs.dataset.plans import store_plan
from workers.jobs.dataset.regating import run_regate
from workers.jobs.dataset.result import build_result, list_artefacts, publish
from workers.jobs.dataset.source_preparation import SourcePreparation
from workers.jobs.dataset.workspace import JobWorkspace, load_components, load_engine_tracks


def run(context: JobContext, request: DatasetJob) -> Manifest:
    """Cut each video into clips, track the phrases in each, score the tracks, write shards.

    With `from_job`, decide the version of that job by other bounds instead, or export it.
    Raises Parked while parts of the job have not ended; run again, it finds their outcomes and goes on.
    """
    if request.from_job is not None:
        is_decided = bool(request.gates or request.reviews)
        return (run_regate if is_decided else run_export)(context, request)
    return _DatasetRun(context, request).run()


class _DatasetRun:
    """One run of a job, from its beginning: what parts have finished is only collected."""

    def __init__(self, context: JobContext, request: DatasetJob) -> None:
        self._context, self._request = context, request
        self._prices = Prices(context.settings.price_cpu_hour, context.settings.price_gpu_hour)
        self._settings = DatasetSettings.from_request(request, self._prices)
        self._components = load_components(request, load_engine_tracks(context, request, self._settings))
        self._workspace, self._collector = JobWorkspace(context), PartCollector(context)
        self._stages = build_clip_stages(self._components, self._settings, self._workspace, Stopwatch())
        if request.max_dollars is not None:
            _check_prices(self._prices, on_gpu=any(stage.resources == "gpu" for stage in self._stages))
        self._asset_engine = _find_asset_engine(context) if request.assets else None
        asset_info = None if self._asset_engine is None else self._asset_engine.info
        self._engines = self._components.list_engines(asset_info)
        self._preparation = SourcePreparation(
            context, self._workspace, self._collector, self._settings.limits.prices
        )
        self._videos: dict[str, SourceInfo] = {}

    def run(self) -> Manifest:
        """Plan, process, write, publish and export."""
        check_exports(self._request.exports)
        for engine in self._engines:
            self._context.record_engine(engine)
        try:
            result, written = self._build_version()
        except DatasetError as error:
            raise JobProblem(error.code, error.detail) from error
        if self._request.max_clips is not None:
            self._store_timing(result, written)
        self._store_plan()
        list_artefacts(self._context, self._workspace, written)
        self._preparation.keep_surveys()
        record_clips(self._context, written)
        if self._request.publish is not None:
            publish(self._context, self._request.publish, written.manifest.version)
        exported = export_version(self._context, self._request.exports, self._context.artefacts)
        return self._build_manifest(result, written, exported)

    def _build_version(self) -> tuple[PipelineResult, DatasetVersion]:
        context, workspace, settings = self._context, self._workspace, self._settings
        origins = list_origins(context, workspace, self._request)
        sources = self._preparation.prepare(origins, self._request)
        self._videos = {source.sha256: source.info for source in sources}
        context.media.sources = [source.sha256 for source in sources]
        executor = self._build_executor()
        result = Pipeline(executor, settings, executor.note_plan).run(sources)
        context.progress("write", message="writing the tables")
        release, key = version("maquette-server"), context.settings.dataset_key or None
        written = write_version(
            workspace,
            result,
            settings,
            self._engines,
            release,
            key,
            unreadable=self._preparation.unreadable,
        )
        return result, written

    def _build_executor(self) -> DistributedExecutor:
        return DistributedExecutor(
            self._context,
            self._workspace,
            self._collector,
            self._preparation,
            stages=self._stages,
            settings=self._settings,
            engine=self._components.track_source.info,
            asset_engine=self._asset_engine,
            earlier=self._open_earlier_clips(),
        )

    def _open_earlier_clips(self) -> EarlierClips | None:
        """Clips of earlier jobs; a trial run measures what everything takes."""
        if not self._request.reuse or self._request.max_clips is not None:
            return None
        release = version("maquette-server")
        return EarlierClips(self._context, self._workspace, self._stages, self._settings, release)

    def _store_plan(self) -> None:
        store_plan(self._workspace, plan_request(self._request, self._videos, self._preparation.unreadable))

    def _store_timing(self, result: PipelineResult, written: DatasetVersion) -> None:
        collector = self._collector
        timing = build_timing(result, written, collector.seconds, collector.gpu_seconds, self._prices)
        data = json.dumps(timing, indent=1).encode()
        self._workspace.store("timing.json", "timing", "application/json", data)

    def _build_manifest(
        self, result: PipelineResult, written: DatasetVersion, exported: list[ExportedFormat]
    ) -> Manifest:
        kept = int(written.manifest.totals["tracks"])
        unreadable = self._preparation.unreadable
        flags = {
            "nothing_found": not kept,
            "tracks_rejected": not kept and bool(written.rows["tracks"]),
            "budget_reached": result.budget_reached,
            "sources_unreadable": bool(unreadable),
            "clips_failed": bool(result.failed),
        }
        sessions = flag_sessions(written.rows["sources"], group_by_name=self._settings.group_by_name)
        built = build_result(written, self._request.publish, unreadable, result.failed, exported)
        return self._context.build_manifest(
            built,
            parameters=self._settings.as_json(),
            seed=self._request.seed,
            reason=None if kept else _explain_emptiness(written),
            flags=[*(name for name, is_set in flags.items() if is_set), *sessions, *flag_result(built)],
        )


def _explain_emptiness(written: DatasetVersion) -> str:
    """Why a version has no tracks."""
    clips = written.rows["clips"]
    if clips and not any(row.kept for row in clips):
        gates = ", ".join(f"{gate} {count}" for gate, count in sorted(written.manifest.rejected.items()))
        return f"none of {len(clips)} clips passed the gates ({gates})"
    found = len(written.rows["tracks"])
    return f"none of {found} tracks passed the gates" if found else "no track was found"


def _check_prices(prices: Prices, *, on_gpu: bool) -> None:
    """Raise JobProblem `price_unknown` when a budget in dollars cannot be counted."""
    if prices.cpu_hour is None or (on_gpu and prices.gpu_hour is None):
        raise JobProblem(
            "price_unknown",
            "'max_dollars' needs the operator's prices: MAQUETTE_PRICE_CPU_HOUR, and MAQUETTE_PRICE_GPU_HOUR "
            "where clips are tracked on a GPU",
        )


def _find_asset_engine(context: JobContext) -> AssetEngine:
    """The object engine of this worker, or that of the default queue; raises EngineUnavailable."""
    workers = {row.queue: row for row in context.parts.list_workers("objects")}
    if "objects" not in context.engines.loaded and DEFAULT_QUEUE in workers:
        listed = next(engine for engine in workers[DEFAULT_QUEUE].engines if engine["kind"] == "objects")
        info = EngineInfo(**{name: listed[name] for name in EngineInfo.__slots__})
        return AssetEngine(info, DEFAULT_QUEUE)
    return AssetEngine(context.engines.objects().info, context.job.queue)
