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


def test_a_phrase_has_several_boxes_of_what_it_means_and_does_not() -> None:
    fields = {"video": {"id": "0" * 64}, "text": ["cup", "visual"]}
    boxes = [{"frame": 3, "box": BOX}, {"frame": 3, "box": BOX, "positive": False}]
    shown = build_track_prompts(TrackJob.model_validate({**fields, "exemplars": boxes}), 0, 64, 48).exemplars
    assert [(each.prompt, each.label) for each in shown] == [(0, 1), (0, 0)]
    with pytest.raises(ValidationError, match="positive"):
        TrackJob.model_validate({**fields, "exemplars": [{"box": BOX, "phrase": 1, "positive": False}]})


def test_a_box_on_a_frame_that_is_never_reached_is_refused() -> None:
    with pytest.raises(JobProblem) as early:
        build_track_prompts(make_request(frame=2, box=BOX), 5, 64, 48)
    assert early.value.problem.code == "prompt_never_reached" and "exemplars[0]" in str(early.value)


def test_the_command_line_takes_the_frame_and_the_phrase() -> None:
    short, long = parse_video_exemplars(["7,1,2,30,40", "7,1,1,2,30,40"])
    assert short == {"frame": 7, "phrase": 0, "box": [1, 2, 30, 40], "positive": True}
    assert long == {"frame": 7, "phrase": 1, "box": [1, 2, 30, 40], "positive": True}
    [counter] = parse_video_exemplars(["7,1,2,30,40"], positive=False)
    assert not counter["positive"]
