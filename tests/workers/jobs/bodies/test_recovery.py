"""What the jobs do with an engine's answer before they write it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.synthetic_bodies import make_body
from workers.engines.protocols import BodyEstimate
from workers.jobs.bodies.recovery import call_engine

IMAGE = np.zeros((480, 640, 3), np.uint8)


def break_rig(body: BodyEstimate, name: str) -> BodyEstimate:
    values = getattr(body.rig, name).copy()
    values.flat[-1] = np.inf
    return replace(body, rig=replace(body.rig, **{name: values}))


@pytest.mark.parametrize("name", ["vertices", "keypoints_3d", "keypoints_2d", "rest_vertices", "rotations"])
def test_a_body_whose_numbers_are_not_finite_is_none(name: str) -> None:
    sound = make_body(1)
    if hasattr(sound, name):
        values = getattr(sound, name).copy()
        values.flat[-1] = np.nan
        broken = replace(sound, **{name: values})
    else:
        broken = break_rig(sound, name)
    engine: Any = SimpleNamespace(recover=lambda *_, **__: [broken, sound, None])
    boxes = [(0.0, 0.0, 9.0, 9.0)] * 3
    assert call_engine(engine, IMAGE, boxes, None, None, None, 0) == [None, sound, None]
