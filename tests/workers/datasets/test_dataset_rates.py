"""The rates of a dataset are exact, and several are not taken for one."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic_datasets import make_source
from tests.workers.datasets.shots.test_frame_times import MICRO, even_pts, make_survey
from workers.datasets.dataset_rates import count_rates, format_rates
from workers.datasets.frame_rates import to_rational_rate
from workers.datasets.planning import plan_dataset
from workers.datasets.settings import DatasetSettings


@pytest.mark.parametrize(
    ("frame_rate", "expected"),
    [
        (None, {"30000/1001": 2, "25": 1, "variable": 1}),
        (12.5, {"25/2": 4}),
    ],
)
def test_a_dataset_has_the_rate_that_is_wanted_or_says_which_it_has(
    frame_rate: float | None, expected: dict[str, int]
) -> None:
    rng = np.random.default_rng(0)
    uneven = np.cumsum(rng.integers(20_000, 60_000, 100)).tolist()
    times = [even_pts(to_rational_rate(rate), 100) for rate in (29.97, 29.97, 25)] + [uneven]
    blank = [np.zeros((8, 8, 3), np.uint8)]
    sources = [make_source(blank, name=str(number)) for number in range(4)]
    settings = DatasetSettings(phrases=("cup",), clip_seconds=9.0, frame_rate=frame_rate, crops=0)
    planned = plan_dataset(sources, (make_survey(pts, MICRO) for pts in times), settings)
    # nothing is seen on them, and so no gate passes
    assert count_rates(planned.clips) == {}
    rates = count_rates([replace(row, kept=True) for row in planned.clips])
    assert rates == expected
    assert format_rates({"30": 2, "variable": 1}) == "30 (2 clips), variable (1 clips)"
