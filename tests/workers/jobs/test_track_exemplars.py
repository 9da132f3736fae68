"""An exemplar box of a track job on its way to the engine."""

from typing import Any

import pytest
from maquette.cli.parsing import parse_video_exemplars
from maquette.contract import TrackJob
from pydantic import ValidationError

from workers.errors import JobProblem
from workers.jobs.track.prompts import build_track_prompts

BOX = {"x0": 1, "y0": 2, "x1": 30, "y1": 40}


def make_request(**exemplar: Any) -> TrackJob:
    return TrackJob.model_validate(
        {"video": {"id": "0" * 64}, "text": ["cup", "visual"], "exemplars": [exemplar]}
    )


def test_the_engine_is_shown_the_box_on_its_frame_for_its_phrase() -> None:
    (shown,) = build_track_prompts(make_request(frame=7, phrase=1, box=BOX), 0, 64, 48).exemplars
    assert (shown.frame, shown.prompt, shown.box, shown.label) == (7, 1, (1, 2, 30, 40), 1)


def test_a_box_outside_the_image_and_an_unrequested_phrase_are_refused() -> None:
    with pytest.raises(JobProblem) as outside:
        build_track_prompts(make_request(box={"x0": 64, "y0": 2, "x1": 70, "y1": 40}), 0, 64, 48)
    assert outside.value.problem.code == "prompt_outside_image" and "exemplars[0]" in str(outside.value)
    with pytest.raises(ValidationError, match="names phrase 2"):
        make_request(phrase=2, box=BOX)


def test_the_command_line_takes_the_frame_and_the_phrase() -> None:
    short, long = parse_video_exemplars(["7,1,2,30,40", "7,1,1,2,30,40"])
    assert short == {"frame": 7, "phrase": 0, "box": [1, 2, 30, 40]}
    assert long == {"frame": 7, "phrase": 1, "box": [1, 2, 30, 40]}
