"""Every job kind is checked, and what the contract's types say of regions is what the gateway refuses."""

from typing import get_args

import pytest
from maquette.contract import BodiesJob, Box, JobRequest, ObjectsJob, Point, Rle, SegmentJob, TrackJob
from maquette.contract.prompts import Exemplar, ObjectPrompt, VideoExemplar, VideoPrompt

from service.guards import requests

MEDIUM = {"url": "https://example.org/medium"}
INSIDE, OUTSIDE = Box(x0=0, y0=0, x1=5, y1=5), Box(x0=20, y0=0, x1=25, y1=5)
OTHER_SIZE = Rle(size=(7, 7), counts="a")


def test_every_job_kind_has_a_check() -> None:
    kinds = get_args(get_args(JobRequest)[0])
    assert len(kinds) == 7
    assert set(kinds) <= set(requests._check.registry)


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (SegmentJob(image=MEDIUM, boxes=[INSIDE, OUTSIDE]), "prompt_outside_image", "boxes[1]"),
        (SegmentJob(image=MEDIUM, points=[[Point(x=1, y=21)]]), "prompt_outside_image", "points[0]"),
        (SegmentJob(image=MEDIUM, exemplars=[Exemplar(box=OUTSIDE)]), "prompt_outside_image", "exemplars[0]"),
        (
            SegmentJob(image=MEDIUM, prompts=[ObjectPrompt(box=OUTSIDE)]),
            "prompt_outside_image",
            "prompts[0].box",
        ),
        (
            SegmentJob(image=MEDIUM, prompts=[ObjectPrompt(points=[Point(x=-1, y=0)])]),
            "prompt_outside_image",
            "prompts[0].points",
        ),
        (
            SegmentJob(image=MEDIUM, prompts=[ObjectPrompt(mask=OTHER_SIZE)]),
            "mask_size_mismatch",
            "prompts[0].mask",
        ),
        (
            TrackJob(video=MEDIUM, text=["cat"], exemplars=[VideoExemplar(box=OUTSIDE)]),
            "prompt_outside_image",
            "exemplars[0]",
        ),
        (
            TrackJob(video=MEDIUM, prompts=[VideoPrompt(box=OUTSIDE)]),
            "prompt_outside_image",
            "prompts[0].box",
        ),
        (ObjectsJob(image=MEDIUM, masks=[OTHER_SIZE]), "mask_size_mismatch", "masks[0]"),
        (ObjectsJob(image=MEDIUM, boxes=[INSIDE], ground=OTHER_SIZE), "mask_size_mismatch", "ground"),
        (BodiesJob(image=MEDIUM, boxes=[OUTSIDE]), "prompt_outside_image", "boxes[0]"),
        (BodiesJob(image=MEDIUM, masks=[OTHER_SIZE]), "mask_size_mismatch", "masks[0]"),
    ],
)
def test_the_first_region_that_does_not_fit_is_named(request_: JobRequest, code: str, field: str) -> None:
    misfit = request_.find_misfit(10, 10)
    assert misfit is not None
    assert misfit.code == code
    assert misfit.detail.startswith(f"{field} ")


def test_regions_that_fit_and_exemplars_of_other_images_pass() -> None:
    other = Exemplar(box=OUTSIDE, image=MEDIUM)
    job = SegmentJob(
        image=MEDIUM,
        boxes=[INSIDE],
        exemplars=[other],
        prompts=[ObjectPrompt(mask=Rle(size=(10, 10), counts="a"))],
    )
    assert job.find_misfit(10, 10) is None
