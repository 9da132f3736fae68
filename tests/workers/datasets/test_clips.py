"""From videos to clips: cuts, lengths, cheap gates, near-duplicates, and splits that do not leak."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from maquette.contract.datasets import SourceInfo
from numpy.typing import NDArray

from tests.support.synthetic_datasets import RATE, balls_source, make_dataset, make_source, render_balls
from workers.datasets import splits
from workers.datasets.components import Components
from workers.datasets.local import FolderWorkspace, build_local_pipeline
from workers.datasets.planning import PlannedClips
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.clip_planning import divide_span
from workers.datasets.shots.cuts import find_cuts
from workers.datasets.shots.near_duplicates import find_neighbours
from workers.datasets.shots.survey import survey_frames
from workers.datasets.source import Source
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify
from workers.datasets.verification.splits import check_splits
from workers.engines.protocols import Rgb

pytestmark = pytest.mark.slow

SETTINGS = DatasetSettings(phrases=("ball",), clip_seconds=2.0, min_clip_seconds=1.0, trim_seconds=0.2)


def scenery(seed: int, frames: int = 24) -> list[Rgb]:
    """An image of its own for each seed, with a ball that moves over it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 215, (5, 7, 3)).astype(np.uint8)
    background = cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)
    moving, _ = render_balls(seed, frames, 1)
    still, _ = render_balls(seed, 1, 1)
    return [np.where(np.abs(p.astype(int) - still[0]) > 30, p, background).astype(np.uint8) for p in moving]


def plan_clips(sources: Sequence[Source], folder: Path, settings: DatasetSettings = SETTINGS) -> PlannedClips:
    return build_local_pipeline(FolderWorkspace(folder), Components(OracleTracks(())), settings).plan(sources)


def decision(clips: PlannedClips, gate: str) -> list[bool]:
    return [row.passed for row in clips.decisions if row.gate == gate]


def test_cuts_are_found_and_fast_motion_is_none() -> None:
    lengths = [30, 25, 40, 28]
    frames = [frame for seed, count in enumerate(lengths) for frame in scenery(seed, count)]
    # a camera that is swung round changes every frame, and cuts nothing
    wide = np.concatenate([scenery(seed, 1)[0] for seed in range(20, 26)], axis=1)
    shifts = [0] * 8 + list(range(0, 800, 20))
    frames += [np.ascontiguousarray(wide[:, shift : shift + 160]) for shift in shifts]
    looked = survey_frames(make_source(frames).open(0, None).frames, (1, RATE))
    assert find_cuts(looked.content) == [int(value) for value in np.cumsum(lengths)]


def test_clips_fill_their_shots_within_the_lengths_asked_for() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        begin, length = float(rng.uniform(0, 9)), float(rng.uniform(0.05, 40))
        longest = float(rng.uniform(1, 8))
        shortest = float(rng.uniform(0, longest))
        beat = 1 / 24
        actual = divide_span(begin, begin + length, longest, shortest, beat)
        assert actual[0][0] == begin and actual[-1][1] <= begin + length + 1e-9
        for start, stop in actual:
            assert stop - start <= longest + beat
            assert stop - start >= min(shortest - beat, length - 1e-9)
        assert all(abs(a[1] - b[0]) < 1e-9 for a, b in pairwise(actual))


def test_clips_are_trimmed_at_cuts_and_keep_their_times(tmp_path: Path) -> None:
    frames = scenery(1, 30) + scenery(2, 30)
    actual = plan_clips([make_source(frames)], tmp_path)
    assert [(clip.first_frame, clip.last_frame) for clip in actual.clips] == [
        (0, 13),
        (14, 27),
        (33, 46),
        (47, 59),
    ]
    assert [clip.shot for clip in actual.clips] == [0, 0, 1, 1]
    for clip, plan in zip(actual.clips, actual.plans, strict=True):
        assert clip.start_seconds == pytest.approx(clip.first_frame / RATE)
        assert plan.pts == tuple(range(clip.first_frame, clip.last_frame + 1))


def test_fewer_frames_a_second_keep_every_nth(tmp_path: Path) -> None:
    thin = DatasetSettings(phrases=("ball",), clip_seconds=2.0, frame_rate=RATE / 3)
    actual = plan_clips([make_source(scenery(1, 24))], tmp_path, thin)
    assert [(clip.frames, clip.frame_step) for clip in actual.clips] == [(8, 3)]
    assert actual.clips[0].frame_rate == pytest.approx(RATE / 3)


def test_dark_blurred_frozen_and_short_clips_are_rejected(tmp_path: Path) -> None:
    good = scenery(1)
    dark = [np.asarray(frame * 0.06, np.uint8) for frame in scenery(2)]
    soft = [cv2.GaussianBlur(frame, (0, 0), 12) for frame in scenery(3)]
    frozen = [scenery(4)[0]] * 24
    short = scenery(5)[:7]
    actual = plan_clips([make_source(frames) for frames in (good, dark, soft, frozen, short)], tmp_path)
    assert decision(actual, "luminance") == [True, False, True, True, True]
    assert decision(actual, "sharpness")[:3] == [True, False, False]
    assert decision(actual, "motion") == [True, True, True, False, True]
    assert decision(actual, "duration") == [True, True, True, True, False]
    assert [clip.kept for clip in actual.clips] == [True, False, False, False, False]
    text = [row for row in actual.scores if row.name == "text_area"]
    assert [row.value for row in text] == [0.0] * 5


def recode(frames: Sequence[Rgb], quality: int = 40) -> list[Rgb]:
    """The same images, coded again, a little brighter and cropped by a pixel."""
    out = []
    for frame in frames:
        data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        again = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.int16) + 4
        cut = np.clip(again, 0, 255).astype(np.uint8)[1:-1, 1:-1]
        out.append(cv2.resize(cut, (frame.shape[1], frame.shape[0])))
    return out


def test_a_copy_is_rejected_and_the_original_kept(tmp_path: Path) -> None:
    original, other = scenery(1), scenery(2)
    actual = plan_clips([make_source(original), make_source(recode(original)), make_source(other)], tmp_path)
    assert decision(actual, "near_duplicate") == [True, False, True]
    assert actual.clips[0].split_group == actual.clips[1].split_group != actual.clips[2].split_group


def test_clips_of_one_shot_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    actual = plan_clips([make_source(scenery(1, 72))], tmp_path)
    assert len(actual.clips) == 3 and decision(actual, "near_duplicate") == [True] * 3


def by_hand(
    shot: NDArray[np.int64], signatures: NDArray[np.uint64], reach: float
) -> tuple[list[float], list[tuple[int, int]]]:
    """Every clip against every earlier one."""
    distances, links = [], []
    for row in range(len(shot)):
        earlier = [column for column in range(row) if shot[column] != shot[row]]
        bits = np.bitwise_count(signatures[earlier] ^ signatures[row]).sum(axis=1) / 3
        near = bits[bits <= max(reach, 10)]
        distances.append(float(near.min()) if len(near) else 64.0)
        links += [(row, earlier[place]) for place in np.flatnonzero(bits <= 10)]
    return distances, links


@pytest.mark.parametrize(("seed", "reach"), [(0, 0.0), (1, 7.0), (2, 12.0), (3, 20.0)])
def test_banded_neighbours_are_those_of_comparing_all(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    signatures = rng.integers(0, 2**64, (600, 3), dtype=np.uint64)
    # copies with 0 to 45 bits of 192 flipped, the ones near the bound spread evenly over the bands
    for copy in range(300, 600):
        flipped = np.zeros(192, bool)
        count = copy % 46
        flipped[rng.permutation(192)[:count] if copy % 2 else (np.arange(count) * 192 // max(count, 1))] = (
            True
        )
        bits = np.packbits(flipped).view(np.uint64)
        signatures[copy] = signatures[rng.integers(0, 300)] ^ bits
    shot = rng.integers(0, 450, 600)
    actual = find_neighbours(shot, signatures, reach)
    distances, links = by_hand(shot, signatures, reach)
    assert actual.distances == pytest.approx(distances)
    assert list(actual.links) == links
    # some at the bound itself, and some that are none
    assert 10.0 in distances and 64.0 in distances and len(links) > 100


def test_many_clips_with_one_signature_are_all_linked() -> None:
    # few are compared pair by pair, many by buckets
    for count in (100, 600):
        actual = find_neighbours(np.arange(count), np.zeros((count, 3), np.uint64))
        assert len(actual.links) == count * (count - 1) // 2 and actual.distances[0] == 64
        assert set(actual.distances[1:]) == {0.0}
    assert find_neighbours(np.zeros(0, np.int64), np.zeros((0, 3), np.uint64)).links == ()


def test_near_duplicates_and_sessions_never_straddle_splits(tmp_path: Path) -> None:
    """Sixty videos, a third of them copies, chained by sessions: one component, one split."""
    sources, twin, session_of = [], {}, {}
    for seed in range(20):
        frames = scenery(seed)
        session = f"s{seed // 4}" if seed % 2 else None
        first = make_source(frames, info=SourceInfo(session=session))
        second = make_source(recode(frames, 60), info=SourceInfo(session=f"t{seed // 5}"))
        third = make_source(scenery(1000 + seed))
        sources += [first, second, third]
        twin[second.sha256] = first.sha256
        session_of |= {first.sha256: session, second.sha256: f"t{seed // 5}"}
    shares = {"train": 0.5, "val": 0.25, "test": 0.25}
    settings = DatasetSettings(phrases=("ball",), clip_seconds=2.0, shares=shares, crops=0)
    actual = plan_clips(sources, tmp_path, settings)
    split = {row.source: row.split for row in actual.sources}
    assert len(set(split.values())) == 3
    assert all(split[copy] == split[original] for copy, original in twin.items())
    for session in {name for name in session_of.values() if name}:
        assert len({split[s] for s, name in session_of.items() if name == session}) == 1


def test_splits_of_old_sources_stay_when_others_come(tmp_path: Path) -> None:
    few = [make_source(scenery(seed)) for seed in range(12)]
    more = few + [make_source(scenery(seed)) for seed in range(50, 60)]
    before = {row.source: row.split for row in plan_clips(few, tmp_path / "a").sources}
    after = {row.source: row.split for row in plan_clips(more, tmp_path / "b").sources}
    assert all(after[source] == split for source, split in before.items())


def test_shares_of_splits_are_about_those_asked_for() -> None:
    shares = {"train": 0.7, "val": 0.2, "test": 0.1}
    actual = [splits.assign_split(f"group {index}", shares) for index in range(4000)]
    for name, share in shares.items():
        assert actual.count(name) / len(actual) == pytest.approx(share, abs=0.03)


def test_a_leak_made_by_hand_is_found(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, [balls_source(1)], SETTINGS)
    assert not verify(data.folder)
    leaking = Dataset(data.folder)
    [row] = leaking.clip_rows
    other = "test" if row.split == "train" else "train"
    leaking.__dict__["clip_rows"] = [row, replace(row, clip="0" * 20, split=other)]
    assert {violation.code for violation in check_splits(leaking)} == {"split_leak"}
