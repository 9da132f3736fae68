"""Prompts that name no object are refused in words, not by the engine."""

import pytest
from maquette.contract.geometry import Box, Point
from maquette.contract.prompts import ObjectPrompt, VideoPrompt
from pydantic import ValidationError

from workers.errors import JobProblem
from workers.jobs.segment.prompts import to_object_prompt

ON, OFF = Point(x=3, y=4), Point(x=5, y=6, label=0)


@pytest.mark.parametrize(
    "prompt",
    [
        ObjectPrompt(points=[OFF, ON]),
        ObjectPrompt(points=[OFF], box=Box(x0=1, y0=1, x1=8, y1=8)),
    ],
)
def test_points_off_an_object_refine_what_something_else_names(prompt: ObjectPrompt) -> None:
    assert 0 in to_object_prompt(prompt, "prompts[0]").labels


def test_points_off_an_object_name_none() -> None:
    with pytest.raises(JobProblem, match=r"prompts\[2\] has only points off") as error:
        to_object_prompt(ObjectPrompt(points=[OFF, OFF]), "prompts[2]")
    assert error.value.problem.code == "prompt_without_object"


def test_only_corrections_of_a_video_may_have_points_off_the_object_alone() -> None:
    assert VideoPrompt(points=[OFF], object=1).points == [OFF]
    with pytest.raises(ValidationError, match="at least one on it"):
        VideoPrompt(points=[OFF])
