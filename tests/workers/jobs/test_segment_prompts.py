"""Prompts that name no object are refused in words, not by the engine."""

import pytest
from maquette.contract import SegmentJob, VideoPrompt
from pydantic import ValidationError

from workers.errors import JobProblem
from workers.jobs.segment.prompts import check_prompts

MEDIUM = {"url": "https://example.org/medium"}
BOX = {"x0": 1, "y0": 1, "x1": 8, "y1": 8}
ON, OFF = {"x": 3, "y": 4}, {"x": 5, "y": 6, "label": 0}


@pytest.mark.parametrize("prompt", [{"points": [OFF, ON]}, {"points": [OFF], "box": BOX}])
def test_points_off_an_object_refine_what_something_else_names(prompt: dict[str, object]) -> None:
    check_prompts(SegmentJob(image=MEDIUM, prompts=[prompt]), 10, 10)


def test_points_off_an_object_name_none() -> None:
    job = SegmentJob(image=MEDIUM, prompts=[{"box": BOX}, {"points": [ON]}, {"points": [OFF, OFF]}])
    with pytest.raises(JobProblem, match=r"prompts\[2\] has only points off") as error:
        check_prompts(job, 10, 10)
    assert error.value.problem.code == "prompt_without_object"


def test_only_corrections_of_a_video_may_have_points_off_the_object_alone() -> None:
    assert VideoPrompt(points=[OFF], object=1).points[0].label == 0
    with pytest.raises(ValidationError, match="at least one on it"):
        VideoPrompt(points=[OFF])
