"""Dataset: videos to clips, tracks and observations, in Parquet shards with a manifest.

The job itself plans and writes. All work is done by parts of it (`dataset_tasks`), which any worker takes.
"""

import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from maquette.contract import Artefact, DatasetJob, DatasetResult, Manifest

from storage.broker import DEFAULT_QUEUE
from workers.datasets.budget_limits import Prices
from workers.datasets.documents import MEDIA_TYPES, render_documents
from workers.datasets.errors import DatasetError
from workers.datasets.failures import Failure
from workers.datasets.pipeline import Pipeline
from workers.datasets.publishing.buckets import publish_to_bucket
from workers.datasets.settings import DatasetSettings
from workers.datasets.timing import build_timing
from workers.datasets.version import DatasetVersion, write_version
from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset_parts import DistributedExecutor
from workers.jobs.dataset_sources import list_origins, open_bucket
from workers.jobs.dataset_world import JobWorkspace, load_components


def run(context: JobContext, request: DatasetJob) -> Manifest:
    """Cut each video into clips, track the phrases in each, judge the tracks, write shards.

    Raises Parked while parts of the job are not done.
    """
    prices = Prices(context.settings.price_cpu_hour, context.settings.price_gpu_hour)
    settings = DatasetSettings.from_request(request, prices)
    components, workspace = load_components(context, request, settings), JobWorkspace(context)
    if request.max_dollars is not None:
        _priced(prices, on_gpu=components.on_gpu)
    lifting = _lifting(context) if request.assets else None
    crew = DistributedExecutor(context, workspace, components, settings, lifting)
    infos = [components.track_source.info] + ([lifting[0]] if lifting else [])
    if components.captioner is not None:
        infos.append(components.captioner.info)
    for info in infos:
        context.record_engine(info)
    try:
        sources = crew.sources(list_origins(context, workspace, request), request)
        sources = crew.readable(sources)
        context.media.sources = [source.sha256 for source in sources]
        built = Pipeline(crew, settings).run(sources)
        context.progress("write", message="writing the tables")
        written = write_version(
            workspace,
            built,
            settings,
            infos,
            version("maquette-server"),
            context.settings.dataset_key or None,
        )
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error
    if request.max_clips is not None:
        told = build_timing(built, written, components.clock.seconds, crew.gpu_seconds, prices)
        workspace.store("timing.json", "timing", "application/json", json.dumps(told, indent=1).encode())
    _finish(context, workspace, written)
    if request.publish is not None:
        _publish(context, request.publish, written.manifest.version)
    kept = int(written.manifest.totals["tracks"])
    flags = {
        "nothing_found": not kept,
        "budget_reached": built.budget_reached,
        "sources_unreadable": bool(crew.unreadable),
        "clips_failed": bool(built.failed),
    }
    return context.build_manifest(
        _result(written, request.publish, crew.unreadable, built.failed),
        parameters=settings.as_json(),
        seed=request.seed,
        reason=None if kept else "no track passed the gates",
        flags=[name for name, true in flags.items() if true],
    )


def _priced(prices: Prices, *, on_gpu: bool) -> None:
    if prices.cpu_hour is None or (on_gpu and prices.gpu_hour is None):
        raise JobProblem(
            "price_unknown",
            "'max_dollars' needs the operator's prices: MAQUETTE_PRICE_CPU_HOUR, and MAQUETTE_PRICE_GPU_HOUR "
            "where clips are followed on a GPU",
        )


def _lifting(context: JobContext) -> tuple[EngineInfo, str]:
    """The engine of assets and the queue of its workers; raises EngineUnavailable."""
    serving = {row.queue: row for row in context.parts.list_workers("objects")}
    if "objects" not in context.engines.loaded and DEFAULT_QUEUE in serving:
        told = next(e for e in serving[DEFAULT_QUEUE].engines if e["kind"] == "objects")
        names = EngineInfo.__slots__
        return EngineInfo(**{name: told[name] for name in names}), DEFAULT_QUEUE
    return context.engines.objects().info, context.job.queue


def _finish(context: JobContext, workspace: JobWorkspace, written: DatasetVersion) -> None:
    """The artefacts are the version's files, those of an earlier attempt among them, and its documents."""
    for name, data in render_documents(written, context.get).items():
        workspace.store(name, "document", MEDIA_TYPES[name], data)
    listed = {
        file.name: Artefact(
            name=file.name,
            role="table" if file.rows is not None else "asset",
            sha256=file.sha256,
            media_type=file.media_type or "application/vnd.apache.parquet",
            bytes=file.bytes,
        )
        for file in written.manifest.all_files()
    }
    context.artefacts = list((listed | workspace.artefacts).values())
    context.artefacts.sort(key=lambda artefact: artefact.name)


def _publish(context: JobContext, address: str, version: str) -> None:
    files, folder = open_bucket(context, address)

    def told(done: int, total: int) -> None:
        context.progress("publish", done, total, f"writing to {address}")

    try:
        publish_to_bucket(files, folder, version, context.artefacts, context.get, told)
    except DatasetError as error:
        raise JobProblem(error.code, error.detail, 409) from error
    except OSError as error:
        raise JobProblem("bucket_unwritable", f"{address}: {error}") from error


def _result(
    written: DatasetVersion, published: str | None, unreadable: dict[str, str], failed: Mapping[str, Failure]
) -> DatasetResult:
    totals: Any = written.manifest.totals
    clips = [row for row in written.rows["clips"] if row.kept]
    return DatasetResult(
        version=written.manifest.version,
        clips=totals["clips"],
        frames=totals["frames"],
        tracks=totals["tracks"],
        observations=totals["observations"],
        rejected=dict(written.manifest.rejected),
        seconds=totals["seconds"],
        assets=totals["assets"],
        splits=dict(sorted(Counter(row.split for row in clips).items())),
        funnel=list(written.funnel),
        signed=written.signed,
        published=published,
        unreadable=unreadable,
        failed={clip: str(failure) for clip, failure in failed.items()},
    )
