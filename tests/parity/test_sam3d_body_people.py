"""People as images have them, through the FAKE upstream of SAM 3D Body and the job's own steps: tall boxes,
crowds, boxes at the border, and a network whose numbers mean nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import ObjectFailure

from tests.parity.sam3d_body_runs import settings
from tests.support.standing_mhr import StandingMhr
from workers.engines.bodies.rig import skin_rig
from workers.engines.bodies.sam3d.engine import Sam3dBody
from workers.engines.protocols import Box
from workers.geometry.cameras import Camera
from workers.jobs.bodies.previews import render_body_panels
from workers.jobs.bodies.recovery import PersonRegion, RecoveredPerson, recover_people

WIDTH, HEIGHT = 480, 360
CAMERA = Camera(WIDTH, HEIGHT, 600.0, 600.0, WIDTH / 2, HEIGHT / 2)
IMAGE = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
TALL: Box = (200.0, 20.0, 290.0, 340.0)
MODEL = StandingMhr()


class Recovery:
    """Starts an engine and runs the step of bodies and scene jobs that recovers the people of an image."""

    def __init__(self, folder: Path, **wrong: Any) -> None:
        self.engine = Sam3dBody(settings(folder, standing=True, **wrong), MODEL)

    def run(self, boxes: list[Box]) -> tuple[list[RecoveredPerson], list[ObjectFailure]]:
        context: Any = SimpleNamespace(
            engines=SimpleNamespace(bodies=lambda: self.engine),
            record_engine=lambda _: None,
            progress=lambda *_: None,
        )
        image: Any = SimpleNamespace(pixels=IMAGE)
        regions = [PersonRegion(index, box, None) for index, box in enumerate(boxes)]
        return recover_people(context, image, regions, CAMERA, 0)


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recovery]:
    """A sound network; one child serves all tests."""
    started = Recovery(tmp_path_factory.mktemp("body"))
    yield started
    started.engine.close()


def find_extent(person: RecoveredPerson) -> np.ndarray:
    pixels = CAMERA.project(person.body.vertices)
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def test_a_tall_box_gives_a_body_as_tall_that_is_seen_in_the_preview(recovery: Recovery) -> None:
    people, failures = recovery.run([TALL])
    assert not failures and people[0].body.confidence > 0.6
    np.testing.assert_allclose(find_extent(people[0])[[1, 3]], [TALL[1], TALL[3]], atol=15)
    np.testing.assert_allclose(skin_rig(people[0].body.rig), people[0].body.vertices, atol=1e-4)
    names = people[0].body.keypoint_names
    seen = dict(zip(names, people[0].body.keypoints_2d, strict=True))
    assert seen["nose"][1] < seen["left_hip"][1] < seen["left_ankle"][1]
    panels = render_body_panels(IMAGE, [people[0].body])
    over = np.ptp(panels[:HEIGHT, -WIDTH:].astype(int), axis=2) > 40
    rows, columns = np.nonzero(over)
    np.testing.assert_allclose([rows.min(), rows.max()], [TALL[1], TALL[3]], atol=15)
    assert TALL[0] - 30 < columns.min() and columns.max() < TALL[2] + 30


def test_a_crowd_is_one_body_each(recovery: Recovery) -> None:
    boxes: list[Box] = [(20.0 + 44 * k, 15.0 + 20 * k, 55.0 + 44 * k, 115.0 + 20 * k) for k in range(10)]
    people, failures = recovery.run(boxes)
    assert not failures and [person.index for person in people] == list(range(10))
    for person, box in zip(people, boxes, strict=True):
        extent = find_extent(person)
        np.testing.assert_allclose((extent[:2] + extent[2:]) / 2, (np.array(box)[:2] + box[2:]) / 2, atol=6)
    assert render_body_panels(IMAGE, [person.body for person in people]).shape == (2 * HEIGHT, 2 * WIDTH, 3)


@pytest.mark.parametrize(
    "box", [(-60.0, 20.0, 50.0, 340.0), (420.0, 20.0, 540.0, 340.0), (150.0, 180.0, 330.0, 800.0)]
)
def test_who_is_cut_by_the_border_is_a_body_that_says_so(recovery: Recovery, box: Box) -> None:
    people, failures = recovery.run([box])
    assert not failures and "truncated" in people[0].body.flags
    assert people[0].body.grounded is None
    assert (people[0].body.keypoint_visibility == 0).any()


@pytest.mark.parametrize(("shown", "is_hidden"), [(0.9, False), (0.5, True), (0.2, True)])
def test_who_stands_behind_something_is_a_body_that_says_so(
    tmp_path: Path, shown: float, is_hidden: bool
) -> None:
    """A box that shows the upper part alone, of a person whom the network finds whole."""
    hidden = Recovery(tmp_path, shown=shown)
    box: Box = (200.0, 20.0, 290.0, 20.0 + 320 * shown)
    try:
        people, failures = hidden.run([box])
    finally:
        hidden.engine.close()
    assert not failures and ("occluded" in people[0].body.flags) == is_hidden
    np.testing.assert_allclose(find_extent(people[0])[[1, 3]], [20, 340], atol=15)
    # the overlap that says how far the box is explained
    assert people[0].body.confidence < shown


def test_boxes_without_a_person_in_the_image_are_failures_of_their_own(recovery: Recovery) -> None:
    outside: Box = (600.0, 20.0, 700.0, 300.0)
    people, failures = recovery.run([outside, TALL])
    assert [person.index for person in people] == [1]
    assert [(failure.index, failure.code) for failure in failures] == [(0, "no_person_found")]
    assert recovery.run([]) == ([], [])
    assert render_body_panels(IMAGE, []).shape == (HEIGHT, 2 * WIDTH, 3)


def test_a_network_without_sense_gives_nobody_and_no_error(tmp_path: Path) -> None:
    fills = [
        ("pred_vertices", "nan"),
        ("pred_vertices", "inf"),
        # all vertices in one point
        ("pred_vertices", 0),
        ("pred_cam_t", "nan"),
        # behind the camera, and as far away as numbers go
        ("pred_cam_t", -5),
        ("pred_cam_t", 1e30),
        ("mhr_model_params", "-inf"),
        ("shape_params", "nan"),
        ("focal_length", "nan"),
    ]
    broken = Recovery(tmp_path, fill=fills)
    try:
        for fill in fills:
            people, failures = broken.run([TALL, (40.0, 30.0, 120.0, 320.0)])
            codes = [failure.code for failure in failures]
            assert not people and codes == ["no_person_found"] * 2, fill
    finally:
        broken.engine.close()
