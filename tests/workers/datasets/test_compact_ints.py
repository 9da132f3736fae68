"""Whole numbers in little memory: the same when they are read back, whatever their steps."""

import json
import pickle
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.datasets.compact_ints import CompactInts

WIDE = st.integers(-(2**40), 2**40)
NARROW = st.integers(-3, 3)


@given(st.one_of(st.lists(WIDE, max_size=9), st.lists(NARROW, max_size=40).map(lambda x: [*accumulate(x)])))
def test_numbers_come_back_as_they_were(numbers: list[int]) -> None:
    packed = CompactInts.pack(numbers)
    sent = CompactInts.from_json(json.loads(json.dumps(packed.as_json())))
    for actual in (packed, sent):
        assert list(actual) == numbers and actual.array().tolist() == numbers
        assert len(actual) == len(numbers) and actual == numbers and actual == tuple(numbers)
        assert [actual[place] for place in range(len(numbers))] == numbers
        assert list(actual[1:-1]) == numbers[1:-1]
    assert packed == sent and hash(packed) == hash(sent)
    assert packed != [*numbers, 0]


@pytest.mark.parametrize("name", ["30", "29.97 in milliseconds", "29.97 in 1/90000 s", "variable"])
def test_more_frames_take_hardly_more_memory(name: str) -> None:
    rng = np.random.default_rng(0)
    times = {
        "30": np.arange(30_000) * 3000,
        "29.97 in milliseconds": np.rint(np.arange(30_000) * 1001 / 30),
        "29.97 in 1/90000 s": np.arange(30_000) * 3003,
        # a phone's camera: jitter of some ticks of 1/90000 s, longer in the dark
        "variable": np.cumsum(np.repeat([3000, 4500], 15_000) + np.rint(rng.normal(0, 30, 30_000))),
    }[name]
    few, many = (len(pickle.dumps(CompactInts.pack(times[:count].astype(int)))) for count in (300, 30_000))
    # a tuple of Python's numbers takes 36 bytes each
    assert (many - few) / 29_700 < (2.0 if name == "variable" else 0.05)
