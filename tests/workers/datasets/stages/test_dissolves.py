"""Dissolves between shots: found, left out of both, and not taken for what only looks like one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.shot_videos import dissolving, uncut
from tests.support.synthetic_datasets import make_source
from workers.datasets.clip_reader import SurveyReader
from workers.datasets.components import Components
from workers.datasets.local import FolderWorkspace, build_local_pipeline
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.cuts import find_transitions
from workers.datasets.shots.dissolves import LOOKBACK
from workers.datasets.shots.survey import Survey, join_surveys, survey_frames
from workers.datasets.source import Source
from workers.datasets.track_sources import OracleTracks
from workers.engines.protocols import Rgb

pytestmark = pytest.mark.slow

RATE = 24
NAMES = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle_left")
PIECE = LOOKBACK + 5


def survey(frames: list[Rgb]) -> Survey:
    return survey_frames(make_source(frames, rate=RATE).open(0, None).frames, (1, RATE))


@pytest.mark.parametrize(("length", "speed"), [(8, 1.0), (24, 1.0), (48, 0.0)])
def test_dissolves_are_found_where_they_are(length: int, speed: float) -> None:
    frames, middles = dissolving(3, NAMES, length, speed)
    actual = find_transitions(survey(frames))
    assert len(actual) == len(middles)
    for (before, after), middle in zip(actual, middles, strict=True):
        assert before < middle < after
        assert abs((before + after) / 2 - middle) <= 3 + length / 8
        assert length / 2 <= after - before - 1 <= 2 * length + 10


def test_clips_keep_away_from_dissolves(tmp_path: Path) -> None:
    frames, middles = dissolving(3, NAMES[:3], 24, 1.0)
    settings = DatasetSettings(phrases=("ball",), clip_seconds=2.0, min_clip_seconds=0.5, trim_seconds=0.2)
    pipeline = build_local_pipeline(FolderWorkspace(tmp_path), Components(OracleTracks(())), settings)
    planned = pipeline.plan([make_source(frames, rate=RATE)])
    assert len(planned.clips) >= 3 and len({clip.shot for clip in planned.clips}) == 3
    for clip in planned.clips:
        for middle in middles:
            # three quarters of the dissolve at least, and most often all of it
            assert clip.last_frame < middle - 8 or clip.first_frame > middle + 8


@pytest.mark.parametrize("kind", ["swings", "pans of 2 pixels", "lamps", "turns", "zooms", "focus"])
def test_what_only_changes_much_is_no_dissolve(kind: str) -> None:
    assert find_transitions(survey(uncut(kind, 1, NAMES))) == []


def test_noise_and_nothing_are_no_dissolve() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (90, 160, 3)).astype(np.uint8) for _ in range(80)]
    assert not survey(noise).dissolves.any()
    assert not survey([np.zeros((90, 160, 3), np.uint8)] * 80).dissolves.any()


def in_pieces(source: Source, again: bool) -> Iterator[Survey]:
    """A survey of pieces; with `again` each is begun by a worker that has seen nothing before."""
    pieces = SurveyReader(source, PIECE)
    start = 0
    while True:
        actual = pieces.read(start, lambda done: None)
        yield actual
        if len(actual) < PIECE:
            return
        start += len(actual)
        pieces = SurveyReader(source, PIECE) if again else pieces


@pytest.mark.parametrize("again", [False, True])
def test_a_survey_in_pieces_finds_what_one_walk_finds(again: bool) -> None:
    frames, middles = dissolving(3, NAMES, 24, 1.0)
    actual = join_surveys(list(in_pieces(make_source(frames, rate=RATE), again)))
    whole = survey(frames)
    assert np.array_equal(actual.dissolves, whole.dissolves) and whole.dissolves.any()
    assert np.array_equal(actual.content, whole.content)
    assert len(find_transitions(actual)) == len(middles)
