"""One process that does every task after the other, each video in one walk."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby

from media.errors import MediaError
from media.sandbox import DecodedFrame
from workers.datasets import asset_work, budget, failures
from workers.datasets.clip_reader import ClipReader
from workers.datasets.clip_work import ClipWork, Components
from workers.datasets.errors import DatasetError
from workers.datasets.executor import AssetTask, ClipResults, ClipTask
from workers.datasets.failures import Failure
from workers.datasets.protocols import Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json
from workers.datasets.surveying import survey_source
from workers.engines.protocols import RequestRefused


class LocalExecutor:
    """Recalls what an interrupted run had finished."""

    def __init__(self, workspace: Workspace, components: Components, settings: DatasetSettings) -> None:
        self._workspace, self._components, self._settings = workspace, components, settings
        self._meter = budget.BudgetMeter(settings.limits, components.clock, on_gpu=components.on_gpu)

    def surveys(self, sources: Sequence[Source]) -> list[Survey]:
        """One after the other."""
        return [
            survey_source(
                self._workspace, self._components.clock, source, f"video {number} of {len(sources)}"
            )
            for number, source in enumerate(sources, 1)
        ]

    def clips(self, tasks: Sequence[ClipTask]) -> ClipResults:
        """In order, until a limit is reached; a run that goes on stops where the first one did.

        What an engine raises that refuses nothing is raised again: there is no other worker to try.
        """
        limited = self._settings.limits.any
        ended = hash_json([budget.GATE, self._settings.as_json(), [task.plan.id for task in tasks]])
        known = self._workspace.get_cached(ended) if limited else None
        stop, limit = _end(known)
        records: list[ClipRecord] = []
        failed: dict[str, Failure] = {}
        total = sum(len(task.plan.frames) for task in tasks)
        done = 0
        for _, group in groupby(tasks, key=lambda task: task.source.sha256):
            mine = list(group)
            while mine:
                with closing(ClipReader(mine[0].source, max(task.plan.last for task in mine))) as reel:
                    while mine:
                        task = mine[0]
                        if known is None and (limit := self._meter.reached) is not None:
                            stop = len(records) + len(failed)
                            self._workspace.put_cached(ended, f"{stop} {limit!r}".encode())
                        if len(records) + len(failed) == stop:
                            return ClipResults(tuple(records), limit, failed)
                        del mine[0]
                        frames = time_decoding(
                            reel.clip(task.plan), self._workspace, self._components, done, total
                        )
                        done += len(task.plan.frames)
                        try:
                            records.append(self._clip(task, frames))
                        except (MediaError, DatasetError, RequestRefused) as error:
                            if (failure := failures.classify_error(error)) is None:
                                raise
                            failed[task.plan.id] = failure
                            # a decoder that failed has to be started again
                            break
        return ClipResults(tuple(records), None, failed)

    def assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """In order."""
        return ClipResults(tuple(map(self._lifted, tasks)))

    def _clip(self, task: ClipTask, frames: Iterator[DecodedFrame]) -> ClipRecord:
        work = ClipWork(self._workspace, self._components, self._settings, task.source, task.plan)
        key = work.key()
        known = self._workspace.get_cached(key)
        if known is not None:
            record = ClipRecord.decode(known)
            self._meter.add_cached(record.seconds)
            return record
        begun = self._components.clock.now()
        record = work.run(task.clip, frames)
        record = replace(record, seconds=self._components.clock.now() - begun)
        self._meter.add(record.seconds)
        self._workspace.put_cached(key, record.encode())
        return record

    def _lifted(self, task: AssetTask) -> ClipRecord:
        engine = self._components.objects
        assert engine is not None
        key = asset_work.compute_key(task, self._settings, engine.info)
        known = self._workspace.get_cached(key)
        if known is not None:
            return ClipRecord.decode(known)
        with self._components.clock("assets"):
            record = asset_work.add_assets(self._workspace, engine, self._settings, task)
        self._workspace.put_cached(key, record.encode())
        return record


def _end(known: bytes | None) -> tuple[int | None, float | None]:
    """After how many clips an earlier run stopped, and at which limit."""
    if known is None:
        return None, None
    stop, limit = known.decode().split()
    return int(stop), float(limit)


def time_decoding(
    frames: Iterator[DecodedFrame], workspace: Workspace, components: Components, done: int, total: int
) -> Iterator[DecodedFrame]:
    """The frames of a clip, whose decoding is timed, with progress after each."""
    while True:
        with components.clock("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
        done += 1
        workspace.report_progress("clips", done, total)
