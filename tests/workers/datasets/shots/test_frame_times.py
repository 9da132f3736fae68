"""Times of frames: an exact grid from any source rate, irregular clocks flagged, broken ones repaired."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import video
from media.limits import MediaLimits
from tests.support.synthetic_datasets import make_source, render_balls
from workers.datasets.components import Components
from workers.datasets.frame_rates import to_rational_rate
from workers.datasets.local import build_dataset
from workers.datasets.planning import PlannedClips, plan_dataset
from workers.datasets.reader import Dataset
from workers.datasets.schema import ClipRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.frame_times import FrameTimes, read_times
from workers.datasets.shots.rate_grid import choose_frames
from workers.datasets.shots.survey import SERIES, Survey
from workers.datasets.source import GroundTruth, Source, SourceFrames
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify

MICRO = (1, 1_000_000)
SIX = DatasetSettings(phrases=("ball",), clip_seconds=4.0, min_clip_seconds=1.0, frame_rate=6.0, crops=0)


def make_survey(pts: Sequence[int], time_base: tuple[int, int] = MICRO) -> Survey:
    """A survey of frames at these times that show nothing."""
    kinds = {"pts": np.int64, "hashes": np.uint64, "dissolves": np.uint8}
    series = {name: np.zeros(len(pts), kinds.get(name, np.float64)) for name in SERIES}
    series["pts"] = np.array(pts, np.int64)
    return Survey(time_base=np.array(time_base), **series)  # type: ignore[arg-type]


def even_pts(rate: Fraction, count: int, ticks: int = 1_000_000) -> list[int]:
    """Times of frames at a rate, rounded to ticks of a second."""
    return [round(index * ticks / rate) for index in range(count)]


def timed_source(pts: Sequence[int], time_base: tuple[int, int], stated: float | None) -> Source:
    """Balls at these times, after a decoder that hands on times that increase."""
    images, masks = render_balls(3, len(pts), 2)
    truth = GroundTruth(lambda frame: masks[frame], dict.fromkeys((1, 2), "ball"))
    source = make_source(images, truth=truth, name=repr((list(pts), time_base)))
    shown = list(accumulate(pts, lambda last, tick: max(last + 1, tick)))

    def opened(first: int, count: int | None) -> SourceFrames:
        frames = source.open(first, count).frames
        return SourceFrames(time_base, (replace(frame, pts=shown[frame.index]) for frame in frames))

    return replace(source, open=opened, frame_rate=stated)


def plan(
    pts: Sequence[int],
    time_base: tuple[int, int] = MICRO,
    stated: float | None = None,
    settings: DatasetSettings = SIX,
) -> PlannedClips:
    """The clips of frames at these times that show nothing."""
    source = replace(make_source([np.zeros((8, 8, 3), np.uint8)]), frame_rate=stated)
    shown = list(accumulate(pts, lambda last, tick: max(last + 1, tick)))
    return plan_dataset([source], [make_survey(shown, time_base)], settings)


def build(source: Source, folder: Path, settings: DatasetSettings = SIX) -> Dataset:
    components = Components(OracleTracks(("ball",)))
    build_dataset([source], components, settings, folder / "work", folder / "data")
    return Dataset(folder / "data")


def get_rate(row: ClipRow) -> Fraction | None:
    if row.frame_rate_numerator is None or row.frame_rate_denominator is None:
        return None
    return Fraction(row.frame_rate_numerator, row.frame_rate_denominator)


NTSC = [Fraction(rate, 1001) for rate in (24000, 30000, 60000)]
RATES = [*NTSC, *map(Fraction, (7, 12, 24, 25, 30, 50))]


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("ticks", [1000, 90_000, 1_000_000])
def test_six_frames_a_second_are_exactly_six_from_any_rate(rate: Fraction, ticks: int) -> None:
    pts = even_pts(rate, round(4 * rate), ticks)
    planned = plan(pts, (1, ticks), float(rate))
    [clip], [own] = planned.clips, planned.plans
    assert get_rate(clip) == 6 and clip.frame_rate == 6.0 and clip.frames == 24
    # no frame of the source is nearer to a point than the one that was taken
    times = np.array(pts) / ticks
    for point, (frame, error) in enumerate(zip(own.frames, own.time_errors or (), strict=True)):
        assert error == pytest.approx(times[frame] - point / 6, abs=1e-9)
        assert abs(error) <= np.abs(times - point / 6).min() + 1e-9
    assert clip.max_time_error_seconds is not None
    assert clip.max_time_error_seconds <= 0.5 / float(rate) + 1.5 / ticks
    assert clip.flags == ()
    [row] = planned.sources
    assert row.flags == () and row.frame_rate_numerator is not None
    assert Fraction(row.frame_rate_numerator, row.frame_rate_denominator or 0) == rate


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_clips_of_one_length_have_the_same_number_of_frames(rate: Fraction) -> None:
    two_seconds = replace(SIX, clip_seconds=2.0)
    for ticks in (1000, 90_000):
        planned = plan(even_pts(rate, round(8 * rate), ticks), (1, ticks), float(rate), two_seconds)
        assert [clip.frames for clip in planned.clips] == [12] * 4


def test_a_variable_rate_is_on_the_grid_too_and_flagged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pts = [0, *np.cumsum(rng.integers(16_000, 90_000, 100)).tolist()]
    data = build(timed_source(pts, MICRO, 19.0), tmp_path)
    assert verify(data.folder) == []
    for clip in data.clips():
        assert get_rate(clip.row) == 6 and "variable_frame_rate" in clip.row.flags
        assert [frame.grid_point for frame in clip.frames] == list(range(len(clip)))
        seconds = clip.timestamps()
        errors = [frame.time_error_seconds for frame in clip.frames]
        assert errors == pytest.approx(seconds - seconds[0] - np.arange(len(clip)) / 6, abs=1e-9)
        assert max(map(abs, errors)) <= 0.046
    [source] = data.sources.values()
    assert source.flags == ("variable_frame_rate",) and source.frame_rate_numerator is None


def test_a_source_below_the_grid_is_flagged_and_no_frame_is_invented() -> None:
    planned = plan(even_pts(Fraction(5), 20), MICRO, 5.0)
    [clip], [own] = planned.clips, planned.plans
    assert clip.frames == 20 and len(set(own.frames)) == 20
    assert {"grid_incomplete", "frame_rate_below_grid"} <= set(clip.flags)
    assert get_rate(clip) is None and clip.frame_rate == pytest.approx(5.0)
    assert planned.sources[0].flags == ("frame_rate_below_grid",)
    # point 3 of 24 lies between frames 2 and 3, each of which is nearer to another
    assert own.points is not None and len(own.points) < max(own.points) + 1


def test_every_frame_is_kept_without_a_rate_and_the_exact_one_is_found() -> None:
    ntsc = Fraction(30000, 1001)
    planned = plan(even_pts(ntsc, 60, 1000), (1, 1000), 29.97, replace(SIX, frame_rate=None))
    [clip] = planned.clips
    assert clip.frames == 60 and get_rate(clip) == ntsc and clip.frame_rate == float(ntsc)
    # the file has milliseconds
    assert clip.max_time_error_seconds is not None and clip.max_time_error_seconds <= 0.0011


@given(
    steps=st.lists(st.integers(5, 80), min_size=2, max_size=80),
    rate=st.fractions(Fraction(1), Fraction(30), max_denominator=1001),
)
def test_a_frame_serves_one_point_and_is_the_nearest_to_it(steps: list[int], rate: Fraction) -> None:
    pts = list(accumulate(steps, initial=0))
    chosen = choose_frames(pts, Fraction(1, 1000), rate, length=1e9, reach=0.01)
    assert [item.index for item in chosen] == sorted({item.index for item in chosen})
    assert [item.point for item in chosen] == sorted({item.point for item in chosen})
    times = [Fraction(tick, 1000) for tick in pts]
    for item in chosen:
        distance = abs(times[item.index] - item.point / rate)
        assert distance == min(abs(time - item.point / rate) for time in times)
        assert item.error == pytest.approx(float(times[item.index] - item.point / rate))
    # of the points that no other frame is nearer to, a frame takes the nearest
    points = np.arange(chosen[-1].point + 1) * 1000 * rate.denominator
    distances = np.abs(np.array(pts)[:, None] * rate.numerator - points)
    owners = distances.argmin(axis=0)
    for item in chosen:
        own = distances[item.index]
        assert own[item.point] == own[owners == item.index].min()


@pytest.mark.parametrize(
    ("rounded", "exact"),
    [
        (29.97, (30000, 1001)), (29.970029, (30000, 1001)), (23.98, (24000, 1001)), (59.94, (60000, 1001)),
        (30.0, (30, 1)), (30.000001, (30, 1)), (6.0, (6, 1)), (12.5, (25, 2)), (10 / 3, (10, 3)),
        (9.99, (999, 100)),
    ],
)  # fmt: skip
def test_rates_that_differ_by_rounding_are_the_same(rounded: float, exact: tuple[int, int]) -> None:
    assert to_rational_rate(rounded) == Fraction(*exact)


def read(pts: Sequence[int], stated: float | None = 25.0, base: tuple[int, int] = MICRO) -> FrameTimes:
    shown = list(accumulate(pts, lambda last, tick: max(last + 1, tick)))
    return read_times(make_survey(shown, base), stated)


def test_times_that_go_backwards_follow_the_rate_of_the_stream() -> None:
    # every other frame goes backwards: 231 of 454 and the like
    even = even_pts(Fraction(25), 200)
    swapped = [tick - 60_000 if index % 2 else tick + 60_000 for index, tick in enumerate(even)]
    # after half of the video the clock starts again
    again = even[:100] + even[:100]
    for pts in (swapped, again):
        actual = read(pts)
        assert actual.flags == ("times_repaired",) and actual.rate == 25 and not actual.broken.any()
        assert np.diff(actual.pts).tolist() == [40_000] * 199


def test_a_single_wrong_time_is_placed_between_its_neighbours() -> None:
    pts = even_pts(Fraction(25), 200)
    pts[100] = pts[99]
    actual = read(pts)
    assert actual.flags == ("times_repaired",) and actual.pts.tolist() == even_pts(Fraction(25), 200)


@pytest.mark.parametrize("base", [(1, 25), (1001, 30000), (1, 12800), (1, 1000)])
def test_sound_times_stay_as_they_are_on_any_clock(base: tuple[int, int]) -> None:
    ticks = Fraction(base[1], base[0])
    rate = ticks if ticks < 100 else Fraction(25)
    pts = [round(index * ticks / rate) for index in range(100)]
    actual = read(pts, float(rate), base)
    assert actual.flags == () and actual.pts.tolist() == pts and actual.rate == rate


def test_a_jump_of_the_clock_is_flagged_and_no_clip_crosses_it() -> None:
    pts = [tick + (9_000_000 if index >= 40 else 0) for index, tick in enumerate(even_pts(Fraction(20), 80))]
    planned = plan(pts, MICRO, 20.0)
    assert planned.sources[0].flags == ("clock_jump",)
    assert [(clip.first_frame, clip.frames) for clip in planned.clips] == [(0, 12), (40, 12)]
    assert all(get_rate(clip) == 6 and clip.flags == () for clip in planned.clips)
    assert planned.seconds == pytest.approx(4.0)


def test_what_cannot_be_repaired_is_left_out_with_a_decision() -> None:
    pts = [tick - 60_000 if index % 2 else tick for index, tick in enumerate(even_pts(Fraction(25), 100))]
    planned = plan(pts, MICRO, None, replace(SIX, frame_rate=None))
    assert planned.clips and not any(clip.kept for clip in planned.clips)
    decided = [row for row in planned.decisions if row.gate == "timestamps"]
    assert all(row.score is not None and row.score > 0.3 and not row.passed for row in decided)
    assert "times_broken" in planned.sources[0].flags and "times_broken" in planned.clips[0].flags


def test_repaired_times_are_stored_and_verified(tmp_path: Path) -> None:
    pts = [tick - 120_000 if index % 2 else tick for index, tick in enumerate(even_pts(Fraction(25), 75))]
    data = build(timed_source(pts, MICRO, 25.0), tmp_path, replace(SIX, frame_rate=None))
    [clip] = data.clips()
    assert verify(data.folder) == [] and "times_repaired" in clip.row.flags
    assert np.diff([frame.pts for frame in clip.frames]).tolist() == [40_000] * 74


def test_verification_finds_times_that_no_camera_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trust(survey: Survey, stated: float | None) -> FrameTimes:
        """As before times were checked."""
        times = read_times(make_survey(even_pts(Fraction(25), len(survey.pts))), stated)
        return replace(times, pts=survey.pts, rate=None)

    monkeypatch.setattr("workers.datasets.planning.read_times", trust)
    pts = [tick - 60_000 if index % 2 else tick for index, tick in enumerate(even_pts(Fraction(25), 75))]
    data = build(timed_source(pts, MICRO, 25.0), tmp_path, replace(SIX, frame_rate=None))
    found = verify(data.folder)
    assert [item.code for item in found] == ["times_broken"] and "37 of 75" in found[0].detail


def test_a_real_file_with_broken_times_is_repaired(tmp_path: Path) -> None:
    """Written and read by FFmpeg: frames of 25 per second whose presentation times jump back and forth."""
    path = tmp_path / "broken.mkv"
    images, _ = render_balls(3, 50, 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = images[0].shape[1], images[0].shape[0], "yuvj420p"
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            for packet in stream.encode(frame):
                packet.pts, packet.dts = 1000 + index * 40 - (70 if index % 2 else 0), index * 40
                packet.time_base = Fraction(1, 1000)
                container.mux(packet)
    stated = (video.probe(str(path), MediaLimits()) or {})["frame_rate"]
    shown = [pts for pts, _ in video.decode(str(path), MediaLimits())]
    assert min(np.diff(shown)) == 1
    actual = read_times(make_survey(shown, video.read_time_base(str(path))), stated)
    assert actual.flags == ("times_repaired",) and set(np.diff(actual.pts).tolist()) == {40}
