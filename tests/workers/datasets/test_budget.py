"""A budget of seconds: what it leaves out is reported, and a resumed run leaves out the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.synthetic_datasets import balls_source
from workers.datasets.budget_limits import BudgetLimits
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.components import Components
from workers.datasets.local import FolderWorkspace, build_dataset, build_local_pipeline
from workers.datasets.pipeline import PipelineResult
from workers.datasets.protocols import ClipTracker
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify

SETTINGS = DatasetSettings(
    phrases=("ball",), clip_seconds=1.0, min_clip_seconds=0.5, limits=BudgetLimits(25.0)
)
CLIPS, SECONDS_A_CLIP = 4, 10.0


class Time:
    """A clock that only moves when somebody works."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Slow(OracleTracks):
    """Takes ten seconds for a clip."""

    def __init__(self, time: Time) -> None:
        super().__init__(SETTINGS.phrases)
        self.time, self.clips = time, 0

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        self.time.seconds += SECONDS_A_CLIP
        self.clips += 1
        return super().tracker(source, plan)


def components(time: Time) -> Components:
    return Components(Slow(time))


def ran(workspace: FolderWorkspace, settings: DatasetSettings = SETTINGS) -> PipelineResult:
    time = Time()
    pipeline = build_local_pipeline(workspace, components(time), settings, Stopwatch(time))
    return pipeline.run([balls_source(1, 48)])


def test_no_clip_is_begun_after_the_seconds_and_decisions_say_so(tmp_path: Path) -> None:
    time = Time()
    folders = tmp_path / "work", tmp_path / "data"
    build_dataset([balls_source(1, 48)], components(time), SETTINGS, *folders, stopwatch=Stopwatch(time))
    data = Dataset(tmp_path / "data")
    assert verify(data.folder) == []
    # begun at 0, 10 and 20 seconds, and not at 30
    assert [row.kept for row in data.clip_rows] == [True, True, True, False]
    left = [row for row in data.rows("decisions") if row.gate == "budget"]
    assert [(row.clip, row.high, row.passed) for row in left] == [(data.clip_rows[3].clip, 25.0, False)]
    assert data.manifest.rejected == {"budget": 1}


@pytest.mark.parametrize("most", [None, 40.0])
def test_a_generous_budget_changes_nothing(tmp_path: Path, most: float | None) -> None:
    built = ran(FolderWorkspace(tmp_path), replace(SETTINGS, limits=BudgetLimits(most)))
    assert len(built.records) == CLIPS and not built.budget_reached
    assert all(row.gate != "budget" for row in built.plan.decisions)


def test_a_resumed_run_counts_the_clips_of_the_first(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def dies(stage: str, done: int, total: int | None, message: str | None) -> None:
        if stage == "clips" and done > 20:
            raise Killed

    with pytest.raises(Killed):
        ran(FolderWorkspace(tmp_path, dies))
    first = ran(FolderWorkspace(tmp_path))
    # one clip was done and one lost: its ten seconds are not counted, those of the first are
    assert len(first.records) == 3 and first.budget_reached
    again = ran(FolderWorkspace(tmp_path))
    assert again == first
    more = ran(FolderWorkspace(tmp_path), replace(SETTINGS, limits=BudgetLimits(1000.0)))
    assert len(more.records) == CLIPS and not more.budget_reached
