"""Statures by the linear rule, against the model's own vertices."""

import numpy as np
import pytest

from workers.engines.bodies.group.cues import CueReader
from workers.engines.bodies.group.stature import estimate_stature, make_shape
from workers.engines.bodies.kinematics import SHAPE, BodyState, Kinematics
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.skeleton import load_skeleton


@pytest.fixture(scope="module")
def reader() -> CueReader:
    return CueReader(Skinner(Kinematics(load_skeleton())))


def measure(reader: CueReader, shape: np.ndarray) -> float:
    """The stature in metres from the soles to the top of the head."""
    count = len(load_skeleton().joints)
    return reader.stature(BodyState(np.tile(np.eye(3), (count, 1, 1)), np.zeros(3), shape))


@pytest.mark.parametrize("stature", [0.9, 1.2, 1.5, 1.69, 1.9])
def test_a_shape_of_a_stature_has_it(reader: CueReader, stature: float) -> None:
    assert measure(reader, make_shape(stature)) == pytest.approx(stature, abs=0.03)


def test_the_estimate_agrees_with_the_vertices(reader: CueReader) -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        shape = np.zeros(len(SHAPE))
        shape[[0, 2, 3]] = rng.normal(0, 0.7), rng.uniform(-1, 1), rng.uniform(0, 1.5)
        assert estimate_stature(shape) == pytest.approx(measure(reader, shape), abs=0.05)
