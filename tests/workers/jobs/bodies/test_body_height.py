"""Bodies at a given height: the same image, the size and distance that go with it."""

import numpy as np
import pytest

from tests.support.synthetic_bodies import make_body
from workers.engines.bodies.estimates import measure_height
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.protocols import BodyEstimate
from workers.jobs.bodies.body_height import estimate_height_range, scale_to_height


@pytest.fixture(scope="module")
def body() -> BodyEstimate:
    return make_body()


@pytest.mark.parametrize("height", [0.9, 1.12, 1.7, 2.05])
def test_a_body_at_a_given_height_looks_the_same(body: BodyEstimate, height: float) -> None:
    scaled = scale_to_height(body, height)
    factor = height / measure_height(body.rig)
    assert measure_height(scaled.rig) == pytest.approx(height)
    np.testing.assert_allclose(
        scaled.camera.project(scaled.vertices), body.camera.project(body.vertices), atol=1e-6
    )
    np.testing.assert_allclose(scaled.rig.root_translation, body.rig.root_translation * factor)
    # the rig poses the scaled body
    np.testing.assert_allclose(skin_rig(scaled.rig), scaled.vertices, atol=1e-6)
    np.testing.assert_allclose(pose_rig(scaled.rig)[1], scaled.joints, atol=1e-6)
    assert scaled.scale_source == "metric"
    assert "height_given" in scaled.flags and "scale_not_metric" not in scaled.flags


def test_the_range_is_wide_where_only_a_prior_gives_the_scale() -> None:
    assert estimate_height_range(1.6, "prior") == (0.9, 1.9)
    assert estimate_height_range(2.02, "prior") == (0.9, 2.02)
    assert estimate_height_range(1.1, "metric") is None
