"""One process that does every task after the other, each video in one walk."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby

from media.errors import MediaError
from media.sandbox import DecodedFrame
from workers.datasets import asset_work, budget, failures
from workers.datasets.clip_work import ClipWork, Tools
from workers.datasets.crew import AssetTask, ClipTask, Worked
from workers.datasets.errors import DatasetError
from workers.datasets.failures import Failure
from workers.datasets.ports import Ports
from workers.datasets.records import ClipRecord
from workers.datasets.reels import Reel
from workers.datasets.settings import Settings
from workers.datasets.source import Source
from workers.datasets.stages.keys import digest
from workers.datasets.stages.survey import Survey
from workers.datasets.surveying import surveyed
from workers.engines.protocols import RequestRefused


class Serial:
    """Recalls what an interrupted run had finished."""

    def __init__(self, ports: Ports, tools: Tools, settings: Settings) -> None:
        self._ports, self._tools, self._settings = ports, tools, settings
        self._meter = budget.Meter(settings.limits, tools.clock, on_gpu=tools.on_gpu)

    def surveys(self, sources: Sequence[Source]) -> list[Survey]:
        """One after the other."""
        return [
            surveyed(self._ports, self._tools.clock, source, f"video {number} of {len(sources)}")
            for number, source in enumerate(sources, 1)
        ]

    def clips(self, tasks: Sequence[ClipTask]) -> Worked:
        """In order, until a limit is reached; a run that goes on stops where the first one did.

        What an engine raises that refuses nothing is raised again: there is no other worker to try.
        """
        limited = self._settings.limits.any
        ended = digest([budget.GATE, self._settings.as_json(), [task.plan.id for task in tasks]])
        known = self._ports.recall(ended) if limited else None
        stop, limit = _end(known)
        records: list[ClipRecord] = []
        failed: dict[str, Failure] = {}
        total = sum(len(task.plan.frames) for task in tasks)
        done = 0
        for _, group in groupby(tasks, key=lambda task: task.source.sha256):
            mine = list(group)
            while mine:
                with closing(Reel(mine[0].source, max(task.plan.last for task in mine))) as reel:
                    while mine:
                        task = mine[0]
                        if known is None and (limit := self._meter.reached) is not None:
                            stop = len(records) + len(failed)
                            self._ports.remember(ended, f"{stop} {limit!r}".encode())
                        if len(records) + len(failed) == stop:
                            return Worked(tuple(records), limit, failed)
                        del mine[0]
                        frames = told(reel.clip(task.plan), self._ports, self._tools, done, total)
                        done += len(task.plan.frames)
                        try:
                            records.append(self._clip(task, frames))
                        except (MediaError, DatasetError, RequestRefused) as error:
                            if (failure := failures.of(error)) is None:
                                raise
                            failed[task.plan.id] = failure
                            # a decoder that failed has to be started again
                            break
        return Worked(tuple(records), None, failed)

    def assets(self, tasks: Sequence[AssetTask]) -> Worked:
        """In order."""
        return Worked(tuple(map(self._lifted, tasks)))

    def _clip(self, task: ClipTask, frames: Iterator[DecodedFrame]) -> ClipRecord:
        work = ClipWork(self._ports, self._tools, self._settings, task.source, task.plan)
        key = work.key()
        known = self._ports.recall(key)
        if known is not None:
            record = ClipRecord.decode(known)
            self._meter.recalled(record.seconds)
            return record
        begun = self._tools.clock.now()
        record = work.run(task.clip, frames)
        record = replace(record, seconds=self._tools.clock.now() - begun)
        self._meter.worked(record.seconds)
        self._ports.remember(key, record.encode())
        return record

    def _lifted(self, task: AssetTask) -> ClipRecord:
        engine = self._tools.objects
        assert engine is not None
        key = asset_work.key(task, self._settings, engine.info)
        known = self._ports.recall(key)
        if known is not None:
            return ClipRecord.decode(known)
        with self._tools.clock("assets"):
            record = asset_work.lift(self._ports, engine, self._settings, task)
        self._ports.remember(key, record.encode())
        return record


def _end(known: bytes | None) -> tuple[int | None, float | None]:
    """After how many clips an earlier run stopped, and at which limit."""
    if known is None:
        return None, None
    stop, limit = known.decode().split()
    return int(stop), float(limit)


def told(
    frames: Iterator[DecodedFrame], ports: Ports, tools: Tools, done: int, total: int
) -> Iterator[DecodedFrame]:
    """The frames of a clip, whose decoding is timed, with progress after each."""
    while True:
        with tools.clock("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
        done += 1
        ports.progress("clips", done, total)
