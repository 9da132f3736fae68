"""Key points, hand boxes and the refining of hands: what reaches an engine."""

from typing import Any

import numpy as np
import pytest
from maquette.contract import BodiesJob
from pydantic import ValidationError

from workers.engines.bodies.sam3d.prompt_arrays import encode_prompts
from workers.engines.protocols import BodyControls, PersonHints, RequestRefused
from workers.jobs.bodies.controls import read_controls
from workers.jobs.bodies.recovery import PersonRegion

BOX = {"x0": 0, "y0": 0, "x1": 50, "y1": 90}
HAND = {"x0": 5, "y0": 6, "x1": 25, "y1": 26}
WRIST = {"name": "left_wrist", "x": 10, "y": 12}
REGIONS = [PersonRegion(1, (0, 0, 50, 90), None)]


def request(**options: Any) -> BodiesJob:
    return BodiesJob(image={"url": "https://example.org/i"}, boxes=[BOX, BOX], **options)


def test_prompts_belong_to_the_people_that_are_kept() -> None:
    people = [None, {"keypoints": [WRIST], "left_hand": HAND}]
    controls = read_controls(request(people=people, hands="left", max_wrist_angle=0.5), REGIONS)
    hints = PersonHints(keypoints=(("left_wrist", 10, 12),), left_hand=(5, 6, 25, 26))
    assert controls == BodyControls(people=(hints,), refined=(True, False), max_wrist_angle=0.5)
    assert read_controls(request(), REGIONS) is None
    arrays = encode_prompts(controls, [0])
    np.testing.assert_array_equal(arrays["points"], [[[10, 12, 62]]])
    np.testing.assert_array_equal(arrays["hands"], [[[5, 6, 25, 26], [np.nan] * 4]])


def test_an_unknown_key_point_is_named() -> None:
    with pytest.raises(RequestRefused) as caught:
        encode_prompts(BodyControls(people=(PersonHints(keypoints=(("tail", 1, 2),)),)), [0])
    assert caught.value.problem.code == "keypoint_unknown" and "left_wrist" in caught.value.problem.detail


@pytest.mark.parametrize(
    "options",
    [
        {"people": [{"keypoints": [WRIST]}]},
        {"people": [None, {"keypoints": [WRIST, WRIST]}]},
        {"hands": "all"},
        {"max_wrist_angle": 4},
    ],
)
def test_values_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**options)


def test_prompts_outside_the_image_are_misfits() -> None:
    misfit = request(people=[None, {"keypoints": [WRIST]}]).find_misfit(11, 11)
    assert (
        misfit is not None
        and misfit.code == "prompt_outside_image"
        and "people[1].left_wrist" in misfit.detail
    )
