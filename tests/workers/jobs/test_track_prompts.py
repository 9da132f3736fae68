"""Corrections of objects that were started, and those that could never meet one: directions × frames."""

from typing import Any

import numpy as np
import pytest
from maquette.contract import TrackJob
from pycocotools import mask as coco

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.errors import JobProblem
from workers.jobs.track.prompts import build_track_prompts

MEDIUM = {"url": "https://example.org/medium"}
SIZE = (48, 64)
BOX = {"x0": 4, "y0": 4, "x1": 10, "y1": 40}
ON, OFF = {"x": 6, "y": 9}, {"x": 30, "y": 9, "label": 0}
COUNTS = coco.encode(np.ones(SIZE, np.uint8, order="F"))["counts"].decode()
LAST_FRAME = 29


def start(frame: int, **fields: Any) -> dict[str, Any]:
    return {"frame": frame, "box": BOX, **fields}


def correct(frame: int, number: int = 1) -> dict[str, Any]:
    return {"frame": frame, "object": number, "points": [OFF]}


ANSWERED: dict[str, dict[str, Any]] = {
    "forward": {"prompts": [start(3), correct(9)]},
    "named later than corrected": {"prompts": [correct(9), start(3, object=1)], "reserved_ids": 1},
    "on one frame": {"prompts": [correct(3), start(3, object=1)], "reserved_ids": 1},
    "backward": {"prompts": [start(9), correct(3)], "direction": "backward"},
    "backward from the end": {"boxes": [BOX], "prompts": [correct(3)], "direction": "backward"},
    "both ways": {"prompts": [start(9), correct(3), correct(15)], "direction": "both", "start_frame": 9},
    "box on the start frame": {"boxes": [BOX], "prompts": [correct(0), correct(7)]},
    "points on the start frame": {"points": [[ON]], "prompts": [correct(7)]},
    "started in each pass": {
        "prompts": [start(5), correct(3), start(15, object=1), correct(17)],
        "direction": "both",
        "start_frame": 9,
    },
    "two objects": {
        "prompts": [start(5), start(15), correct(3), correct(17, 2)],
        "direction": "both",
        "start_frame": 9,
    },
    "of a phrase": {"text": ["cat"], "prompts": [correct(7)]},
    "started by a mask": {
        "prompts": [{"frame": 2, "mask": {"size": SIZE, "counts": COUNTS}}, correct(7)],
    },
}

# the prompt at fault
NEVER_STARTED: dict[str, tuple[int, dict[str, Any]]] = {
    "alone": (0, {"prompts": [correct(3)], "reserved_ids": 1}),
    "forward": (1, {"prompts": [start(9), correct(3)]}),
    "backward": (1, {"prompts": [start(3), correct(9)], "direction": "backward"}),
    "beside another object": (1, {"prompts": [start(3), correct(9, 2)], "reserved_ids": 2}),
    "in the other pass": (1, {"prompts": [start(3), correct(15)], "direction": "both", "start_frame": 9}),
    "in the pass before": (1, {"prompts": [start(15), correct(3)], "direction": "both", "start_frame": 9}),
    "first on one frame of several": (
        0,
        {"prompts": [correct(3), correct(3), start(4, object=1)], "reserved_ids": 1},
    ),
    "not of a phrase": (0, {"text": ["cat"], "prompts": [correct(3)], "reserved_ids": 1}),
    "beside a box": (0, {"boxes": [BOX], "prompts": [correct(3, 2)], "reserved_ids": 2}),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_corrections_of_started_objects_are_answered_in_every_pass(name: str) -> None:
    request = TrackJob(video=MEDIUM, **ANSWERED[name])
    assert request.find_unstartable() is None
    first = request.choose_start_frame()
    for direction in ("backward", "forward") if request.direction == "both" else (request.direction,):
        backward = direction == "backward"
        frame = LAST_FRAME if first is None else first
        prompts = build_track_prompts(request, frame, SIZE[1], SIZE[0], backward=backward)
        # as engines do on the first frame
        PromptSchedule(prompts).validate(SIZE)
        frames = [timed.frame for timed in prompts.visual_prompts]
        met = [each for each in frames if (each <= frame if backward else each >= frame)]
        assert met == sorted(met, reverse=backward)
        assert frames[: len(met)] == met


@pytest.mark.parametrize("name", NEVER_STARTED)
def test_corrections_that_meet_no_object_are_refused(name: str) -> None:
    index, fields = NEVER_STARTED[name]
    request = TrackJob(video=MEDIUM, **fields)
    misfit = request.find_unstartable()
    assert misfit is not None
    assert misfit.code == "prompt_without_object"
    assert misfit.detail.startswith(f"prompts[{index}] ")
    with pytest.raises(JobProblem) as caught:
        build_track_prompts(request, request.choose_start_frame() or 0, SIZE[1], SIZE[0])
    assert caught.value.problem.code == "prompt_without_object"
