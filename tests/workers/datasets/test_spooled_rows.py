"""Rows in a temporary file are read back as they were, wherever blocks begin."""

import math
import tracemalloc
from dataclasses import replace
from random import Random

import pytest

from workers.datasets import spooled_rows
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.compact_ints import CompactInts
from workers.datasets.schema import ClipRow, DecisionRow, ScoreRow
from workers.datasets.spooled_rows import BLOCK, RowsByClip, SpooledRows, spool_table

CLIP = ClipRow(
    clip="a",
    source="b",
    session=None,
    split_group="b",
    split="train",
    shot=3,
    first_frame=4,
    last_frame=2**40,
    frame_step=1,
    frames=9,
    start_seconds=0.1 + 0.2,
    end_seconds=1 / 3,
    frame_rate=30000 / 1001,
    frame_rate_numerator=30000,
    frame_rate_denominator=1001,
    max_time_error_seconds=None,
    width=256,
    height=144,
    camera_source="unknown",
    intrinsics_source="assumed",
    scale_source=None,
    signature="00ff",
    kept=True,
    flags=(),
)
SCORE = ScoreRow(clip="ä", track=None, stage="survey", name="motion", value=None, unit="0..255")
DECISION = DecisionRow(
    clip="a",
    track=2,
    gate="motion",
    score=-0.0,
    low=None,
    high=math.inf,
    passed=False,
    policy="p",
    reason=None,
)
PLAN = ClipPlan(
    id="a",
    source=0,
    shot=1,
    first=0,
    last=9,
    step=2,
    frames=CompactInts.pack([0, 2, 5, 9]),
    pts=CompactInts.pack([1 << 50, (1 << 50) + 7, (1 << 50) + 9, (1 << 50) + 90]),
    time_base=(1, 90_000),
    start=0.1,
    end=0.7,
    length=1 / 7,
    rate=None,
    points=None,
    flags=("times_repaired", "variable_frame_rate"),
)


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_rows_come_back_in_their_order(count: int) -> None:
    rows = [replace(SCORE, value=number / 7) for number in range(count)]
    spooled = spool_table(ScoreRow)
    spooled.extend(rows)
    assert len(spooled) == count
    assert list(spooled) == rows and spooled == rows
    assert spooled != [*rows, SCORE] and (not rows or spooled != [*rows[:-1], SCORE])
    places = [place for place in (0, 1, BLOCK - 1, BLOCK, -1) if -count <= place < count]
    assert [spooled[place] for place in places] == [rows[place] for place in places]
    assert spooled[BLOCK - 2 : BLOCK + 2] == rows[BLOCK - 2 : BLOCK + 2] and spooled[::-100] == rows[::-100]
    with pytest.raises(IndexError):
        spooled[count]


def test_every_kind_of_row_is_kept_exactly() -> None:
    rows = [CLIP, replace(CLIP, flags=("x", "y"), kept=False)]
    clips, decisions = spool_table(ClipRow), spool_table(DecisionRow)
    plans = SpooledRows(ClipPlan.as_json, ClipPlan.from_json)
    on_grid = replace(PLAN, rate=(6, 1), points=CompactInts.pack([0, 1, 2, 4]), flags=())
    for _ in range(BLOCK):
        clips.extend(rows)
        decisions.append(DECISION)
        plans.extend([PLAN, on_grid])
    assert repr(clips[:2]) == repr(rows)
    assert repr(decisions[0]) == repr(DECISION)
    assert repr(plans[:2]) == repr([PLAN, on_grid])


def test_rows_can_be_read_twice_at_once_and_between_additions() -> None:
    spooled = SpooledRows[int](str, int)
    spooled.extend(range(2 * BLOCK + 5))
    pairs = zip(spooled, spooled, strict=True)
    assert all(a == b for a, b in pairs)
    spooled.extend(range(2 * BLOCK + 5, 4 * BLOCK))
    assert list(spooled) == list(range(4 * BLOCK))


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_rows_are_looked_up_by_their_clip(is_shuffled: bool) -> None:
    rows = [
        replace(SCORE, clip=f"{clip}", value=float(row))
        for clip in range(BLOCK // 2)
        for row in range(clip % 5)
    ]
    if is_shuffled:
        Random(1).shuffle(rows)
    by_clip = RowsByClip(ScoreRow, rows)
    for clip in (BLOCK // 2 - 1, 0, 4, 2, BLOCK // 3):
        assert by_clip.get(f"{clip}") == [row for row in rows if row.clip == f"{clip}"]
    assert by_clip.get("unknown") == []


def test_rows_lie_in_a_file_and_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    block, in_memory = 32, 1 << 16
    monkeypatch.setattr(spooled_rows, "BLOCK", block)
    monkeypatch.setattr(spooled_rows, "IN_MEMORY", in_memory)
    # random digits hardly compress
    random, width, count = Random(0), 300, 100 * block
    first = random.randbytes(width).hex()
    spooled = SpooledRows[str](str, str)
    spooled.append(first)
    tracemalloc.start(2)
    try:
        spooled.extend(random.randbytes(width).hex() for _ in range(count - 1))
        assert sum(map(len, spooled)) == 2 * width * count > 1_900_000
        half_read = iter(spooled)
        for _ in range(count // 2):
            next(half_read)
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    # other threads of the process allocate as well
    own = [tracemalloc.Filter(True, file, all_frames=True) for file in (spooled_rows.__file__, __file__)]
    held = sum(trace.size for trace in snapshot.filter_traces(own).traces)
    assert in_memory // 2 < held < 400_000
    assert spooled[0] == first
