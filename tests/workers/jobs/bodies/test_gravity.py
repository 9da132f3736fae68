"""Which way is down, from the request to the engine and into the result."""

import numpy as np
import pytest
from maquette.contract import BodiesJob
from pydantic import ValidationError

from tests.support.synthetic_bodies import make_body
from workers.engines.bodies.group.floor_report import report_floor
from workers.jobs.bodies.gravity import read_gravity

IMAGE = {"id": "0" * 64}


def request(**fields: object) -> BodiesJob:
    return BodiesJob.model_validate({"image": IMAGE, **fields})


@pytest.mark.parametrize("fields", [{"gravity": (0, 5, 5)}, {"camera_pitch_deg": 45}])
def test_gravity_is_a_unit_vector_or_a_pitch(fields: dict[str, object]) -> None:
    gravity = read_gravity(request(**fields))
    assert gravity is not None and gravity.source == "given"
    assert gravity.direction == pytest.approx((0.0, np.sqrt(0.5), np.sqrt(0.5)))


def test_a_request_need_not_know_it() -> None:
    assert read_gravity(request()) is None


def test_exif_says_how_far_the_camera_looks_down_unless_the_request_does() -> None:
    stated = read_gravity(request(), elevation_deg=-30.0)
    assert stated is not None and stated.source == "exif"
    assert stated.direction == pytest.approx((0.0, np.sqrt(0.75), 0.5))
    given = read_gravity(request(camera_pitch_deg=0), elevation_deg=-30.0)
    assert given is not None and given.direction == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"gravity": (0, 0, 0)},
        {"gravity": (0, float("nan"), 1)},
        {"gravity": (0, 1)},
        {"camera_pitch_deg": 91},
        {"gravity": (0, 1, 0), "camera_pitch_deg": 0},
    ],
)
def test_what_is_no_direction_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        request(**fields)


def test_bodies_of_other_engines_get_the_floor_under_their_feet() -> None:
    body = make_body()
    (found,) = report_floor([body])
    assert found.floor is not None and found.gravity is not None and found.gravity.source == "assumed"
    assert found.grounded and float(found.floor.height(body.vertices).min()) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_array_equal(found.vertices, body.vertices)
