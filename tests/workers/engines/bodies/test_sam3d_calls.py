"""Which images share a forward of SAM 3D Body, and what its child is asked."""

from typing import Any

import numpy as np
import pytest

from workers.engines.bodies.sam3d.calls import MAX_PEOPLE, BodyCall, encode_calls, group_calls
from workers.engines.bodies.sam3d.contract import UpstreamAnswer
from workers.engines.bodies.sam3d.prompt_arrays import encode_prompts
from workers.engines.protocols import BodyControls, PersonHints
from workers.geometry.cameras import Camera

CAMERA = Camera(32, 24, 40.0, 40.0, 16.0, 12.0)


def make_call(people: int = 1, *, size: tuple[int, int] = (24, 32), **changes: Any) -> BodyCall:
    fields = {"refined": (True, True), "max_wrist_angle": None}
    values: dict[str, Any] = {
        "image": np.zeros((*size, 3), np.uint8),
        "boxes": ((0.0, 0.0, 20.0, 20.0),) * people,
        "usable": tuple(range(people)),
        "requested": np.zeros((people, 4), np.float32),
        "camera": CAMERA,
        "masks": None,
        "prompts": {},
        "fields": fields,
    }
    return BodyCall(**{**values, **changes})


@pytest.mark.parametrize(
    "other",
    [
        {"size": (24, 33)},
        {"camera": Camera(32, 24, 41.0, 41.0, 16.0, 12.0)},
        {"camera": None},
        {"masks": np.zeros(96, np.uint8)},
        {"prompts": {"points": np.zeros((1, 1, 3), np.float32)}},
        {"fields": {"refined": (True, False), "max_wrist_angle": None}},
        {"fields": {"refined": (True, True), "max_wrist_angle": 1.0}},
    ],
)
def test_images_that_differ_in_what_upstream_shares_are_asked_apart(other: dict[str, Any]) -> None:
    alike = [make_call(), make_call()]
    different = make_call(**other)
    assert group_calls([alike[0], different, alike[1]]) == [alike, [different]]


def test_unknown_cameras_are_found_image_by_image() -> None:
    calls = [make_call(camera=None), make_call(camera=None)]
    assert group_calls(calls) == [[calls[0]], [calls[1]]]


def test_nobody_is_not_asked_and_a_forward_holds_so_many_people() -> None:
    crowd, few = make_call(MAX_PEOPLE + 5), [make_call(MAX_PEOPLE // 2) for _ in range(3)]
    nobody = make_call(0)
    assert group_calls([nobody, crowd, *few]) == [[crowd], few[:2], few[2:]]


def test_one_image_is_asked_as_before_and_several_with_their_counts() -> None:
    one, two = make_call(1), make_call(2)
    fields, arrays = encode_calls([one])
    assert "counts" not in fields and arrays["image"].shape == (24, 32, 3)
    fields, arrays = encode_calls([one, two])
    assert fields["counts"] == [1, 2] and fields["refined"] == (True, True)
    assert arrays["image"].shape == (2, 24, 32, 3) and arrays["boxes"].shape == (3, 4)
    np.testing.assert_array_equal(arrays["intrinsics"], CAMERA.matrix())


def test_prompts_of_several_images_are_filled_up_to_the_longest() -> None:
    long = PersonHints(keypoints=(("nose", 1.0, 2.0), ("left_wrist", 3.0, 4.0)))
    short = PersonHints(keypoints=(("nose", 5.0, 6.0),), left_hand=(1.0, 2.0, 3.0, 4.0))
    calls = [make_call(prompts=encode_prompts(BodyControls(people=(each,)), [0])) for each in (long, short)]
    points = encode_calls(calls)[1]["points"]
    assert points.shape == (2, 2, 3)
    np.testing.assert_array_equal(points[1], [[5, 6, 0], [0, 0, -2]])
    assert encode_calls(calls)[1]["hands"][1, 0].tolist() == [1, 2, 3, 4]


def test_an_answer_is_divided_by_how_many_people_each_image_has() -> None:
    people: Any = ["a", "b", "c"]
    answer = UpstreamAnswer(people, np.eye(3), np.array([True, False, True]))
    first, second = answer.split([1, 2])
    assert (first.people, second.people) == (["a"], ["b", "c"])
    assert (first.outside.tolist(), second.outside.tolist()) == ([True], [False, True])
