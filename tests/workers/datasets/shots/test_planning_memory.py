"""Planning of many videos: their surveys are in memory one after another."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.synthetic_datasets import SETTINGS, balls_source
from workers.datasets.planning import plan_dataset
from workers.datasets.shots.survey import Survey, survey_frames
from workers.datasets.source import Source

pytestmark = pytest.mark.slow


def test_few_surveys_are_in_memory_at_a_time() -> None:
    # the last repeats the first: clips are compared across sources whose surveys are gone
    seeds = (1, 2, 3, 4, 1)
    sources = [replace(balls_source(seed), sha256=f"{number:064x}") for number, seed in enumerate(seeds)]
    alive: list[weakref.ref[Any]] = []
    most = 0

    def run_surveys() -> Iterator[Survey]:
        nonlocal most
        for source in sources:
            gc.collect()
            most = max(most, sum(item() is not None for item in alive))
            survey = _survey(source)
            alive.append(weakref.ref(survey.luminance))
            yield survey
            del survey

    planned = plan_dataset(sources, run_surveys(), SETTINGS)
    # `zip` and the loop may each hold one
    assert most <= 2
    assert [row.source for row in planned.sources] == [source.sha256 for source in sources]
    assert all(row.split_group and row.split for row in planned.sources)
    groups = [row.split_group for row in planned.sources]
    assert groups[0] == groups[4] and len(set(groups)) == 4
    distances = [row.value for row in planned.scores if row.name == "near_duplicate"]
    of_source = np.array([plan.source for plan in planned.plans])
    assert [value for value, source in zip(distances, of_source, strict=True) if source == 4] == [0.0, 0.0]
    assert all(value != 0 for value, source in zip(distances, of_source, strict=True) if source == 0)
    rejected = {row.clip for row in planned.decisions if row.gate == "near_duplicate" and not row.passed}
    assert rejected == {plan.id for plan in planned.plans if plan.source == 4}


def _survey(source: Source) -> Survey:
    opened = source.open(0, None)
    return survey_frames(opened.frames, opened.time_base, lambda done: None)
