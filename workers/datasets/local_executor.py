"""Runs every stage in this process, clip after clip."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from media.errors import MediaError
from workers.datasets import budget, failures
from workers.datasets.budget import BudgetMeter, StopPoint
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_frames import read_frames
from workers.datasets.clip_reader import ClipReader
from workers.datasets.components import Components, build_clip_stages
from workers.datasets.errors import DatasetError
from workers.datasets.executor import compute_clip_key, run_stages
from workers.datasets.failures import Failure
from workers.datasets.protocols import Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.spooled_rows import spool_records
from workers.datasets.stages.assets import AssetStage
from workers.datasets.stages.keys import hash_json
from workers.datasets.stages.survey import SurveyStage
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.tasks import AssetTask, ClipResults, ClipTask, ClipTasks, SurveyTask
from workers.engines.protocols import RequestRefused


class LocalExecutor:
    """Takes from the cache what an interrupted run finished.

    All stages run here, whatever resources they declare; clips count as GPU time where one declares a GPU.
    """

    def __init__(
        self,
        workspace: Workspace,
        components: Components,
        settings: DatasetSettings,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._workspace, self._settings = workspace, settings
        self._stopwatch = stopwatch or Stopwatch()
        self._objects = components.objects
        self._stages = build_clip_stages(components, settings, workspace, self._stopwatch)
        on_gpu = any(stage.resources == "gpu" for stage in self._stages)
        self._meter = BudgetMeter(settings.limits, self._stopwatch, on_gpu=on_gpu)

    def run_surveys(self, sources: Sequence[Source]) -> Iterator[Survey]:
        """Survey source after source."""
        stage = SurveyStage(self._workspace)
        for number, source in enumerate(sources, 1):
            task = SurveyTask(source, f"video {number} of {len(sources)}")
            survey = run_stages([stage], task, self._stopwatch).survey
            assert survey is not None
            yield survey

    def run_clips(self, tasks: ClipTasks) -> ClipResults:
        """Process clip after clip until a limit is reached.

        An error that is no fault of the clip is raised again: there is no other worker to try.
        """
        key = hash_json([budget.GATE, self._settings.as_json(), [task.plan.id for task in tasks]])
        stop = StopPoint(self._workspace, self._meter, key, is_limited=self._settings.limits.any)
        progress = _ClipProgress(self._workspace, tasks)
        records = spool_records()
        failed: dict[str, Failure] = {}
        limit = None
        with closing(_SharedReader(tasks)) as reader:
            for task in tasks:
                limit = stop.check(len(records) + len(failed))
                if limit is not None:
                    break
                try:
                    records.append(self._run_clip(task, reader, progress))
                except (MediaError, DatasetError, RequestRefused) as error:
                    failure = failures.classify_error(error)
                    if failure is None:
                        raise
                    failed[task.plan.id] = failure
                    # a decoder that failed has to be started again
                    reader.close()
                progress.finish(task)
        return ClipResults(records, limit, failed)

    def run_assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """Make the assets of clip after clip."""
        assert self._objects is not None
        stage = AssetStage(self._workspace, self._settings.seed, self._objects.info, self._objects)
        return ClipResults(tuple(self._run_assets(stage, task) for task in tasks))

    def _run_clip(self, task: ClipTask, reader: "_SharedReader", progress: "_ClipProgress") -> ClipRecord:
        key = compute_clip_key(self._stages, task)
        cached = self._workspace.get_cached(key)
        if cached is not None:
            record = ClipRecord.decode(cached)
            self._meter.add_cached(record.seconds)
            return record
        begun = self._stopwatch.now()
        decoded = reader.open(task).read(task.plan)
        frames = read_frames(decoded, task.source, self._settings, self._stopwatch, progress.report)
        batch = run_stages(self._stages, ClipBatch(task=task, frames=frames), self._stopwatch)
        assert batch.record is not None
        record = replace(batch.record, seconds=self._stopwatch.now() - begun)
        self._meter.add(record.seconds)
        self._workspace.put_cached(key, record.encode())
        return record

    def _run_assets(self, stage: AssetStage, task: AssetTask) -> ClipRecord:
        key = stage.compute_cache_key(task)
        cached = self._workspace.get_cached(key)
        if cached is not None:
            return ClipRecord.decode(cached)
        record = run_stages([stage], task, self._stopwatch).record
        self._workspace.put_cached(key, record.encode())
        return record


class _ClipProgress:
    """Reports the frames that are finished, of those of all clips."""

    def __init__(self, workspace: Workspace, tasks: ClipTasks) -> None:
        self._workspace = workspace
        self._total = sum(len(task.plan.frames) for task in tasks)
        self._finished = 0

    def report(self, frames: int) -> None:
        """Report so many frames of the clip that is processed."""
        self._workspace.report_progress("clips", self._finished + frames, self._total)

    def finish(self, task: ClipTask) -> None:
        """Count a clip as finished."""
        self._finished += len(task.plan.frames)


class _SharedReader:
    """One reader for all clips of a source, so that a video is decoded in one pass."""

    def __init__(self, tasks: ClipTasks) -> None:
        self._last: dict[str, int] = {}
        for task in tasks:
            sha256 = task.source.sha256
            self._last[sha256] = max(task.plan.last, self._last.get(sha256, 0))
        self._reader: ClipReader | None = None
        self._source = ""

    def open(self, task: ClipTask) -> ClipReader:
        """The reader of the clip's source; one of another source is closed."""
        if self._reader is None or self._source != task.source.sha256:
            self.close()
            self._source = task.source.sha256
            self._reader = ClipReader(task.source, self._last[self._source])
        return self._reader

    def close(self) -> None:
        """Free the decoder."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
