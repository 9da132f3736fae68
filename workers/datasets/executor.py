"""What runs the stages of a pipeline: one process from the first clip to the last, or many workers."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol, TypeVar

from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.base import ClipStage, Stage
from workers.datasets.stages.keys import hash_json
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.tasks import AssetTask, ClipResults, ClipTask, ClipTasks

B = TypeVar("B")


class Executor(Protocol):
    """Does each task once, however often it is interrupted and asked again."""

    def run_surveys(self, sources: Sequence[Source]) -> Iterator[Survey]:
        """One inexpensive pass over each source; a survey is made or read when it is asked for."""
        ...

    def run_clips(self, tasks: ClipTasks) -> ClipResults:
        """All stages of each clip but its assets."""
        ...

    def run_assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """The records with their assets; those that the budget left out or that failed are missing."""
        ...


def run_stages(stages: Sequence[Stage[B]], batch: B, stopwatch: Stopwatch) -> B:
    """The batch after all stages, each timed under its name."""
    for stage in stages:
        with stopwatch(stage.name):
            batch = stage.run(batch)
    return batch


def compute_clip_key(stages: Sequence[ClipStage], task: ClipTask) -> str:
    """The cache key of what the stages make of a clip."""
    return hash_json([stage.key(task).digest() for stage in stages])


def group_by_resources(stages: Sequence[ClipStage]) -> list[list[ClipStage]]:
    """Runs of consecutive stages that need the same resources: what one worker does before it hands over."""
    return [list(group) for _, group in groupby(stages, key=lambda stage: stage.resources)]
