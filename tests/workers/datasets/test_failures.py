"""Videos that break while their clips are worked on, in one process."""

from dataclasses import replace
from pathlib import Path

import pytest

from media.errors import MediaError
from tests.support.synthetic_datasets import balls_source
from tests.workers.datasets.test_budget import SETTINGS, Slow, Time
from workers.datasets.budget_limits import BudgetLimits
from workers.datasets.components import Components
from workers.datasets.errors import DatasetError
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import FrameStream, Source, SourceFrames
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.verification import verify

RATE = 12


def breaking(source: Source, frames: range) -> Source:
    """The same video, of which some frames cannot be decoded once it was surveyed."""

    def opened(first: int, count: int | None) -> SourceFrames:
        inner = source.open(first, count)

        def walk() -> FrameStream:
            for frame in inner.frames:
                if count is not None and frame.index in frames:
                    raise MediaError("video_broken", "the video cannot be decoded")
                yield frame

        return SourceFrames(inner.time_base, walk())

    return replace(source, open=opened)


def make_dataset(folder: Path, frames: range, settings: DatasetSettings) -> Dataset:
    source = breaking(balls_source(1, 48), frames)
    time = Time()
    build_dataset(
        [source],
        Components(Slow(time)),
        settings,
        folder / "work",
        folder / "data",
        stopwatch=Stopwatch(time),
    )
    return Dataset(folder / "data")


UNLIMITED = replace(SETTINGS, limits=BudgetLimits())


@pytest.mark.slow
def test_the_clips_around_a_broken_place_are_made(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "a", range(14, 16), UNLIMITED)
    assert verify(data.folder) == []
    assert [row.kept for row in data.clip_rows] == [True, False, True, True]
    [decision] = [row for row in data.rows("decisions") if row.gate == "processing"]
    assert (decision.clip, decision.reason) == (data.clip_rows[1].clip, "video_broken")
    assert data.manifest.rejected == {"processing": 1}
    assert make_dataset(tmp_path / "b", range(14, 16), UNLIMITED).version == data.version


def test_a_broken_clip_is_none_that_the_budget_left_out(tmp_path: Path) -> None:
    # begun at 0, 10 and 20 seconds, and not at 30
    data = make_dataset(tmp_path, range(14, 16), SETTINGS)
    assert [row.kept for row in data.clip_rows] == [True, False, True, False]
    gates = {row.clip: row.gate for row in data.rows("decisions") if not row.passed}
    assert gates == {data.clip_rows[1].clip: "processing", data.clip_rows[3].clip: "budget"}


def test_without_a_clip_that_works_there_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"video_broken \(4\)") as caught:
        make_dataset(tmp_path, range(48), UNLIMITED)
    assert caught.value.code == "all_clips_failed"
