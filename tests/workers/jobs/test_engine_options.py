"""A worker refuses what its engine does not take, whatever the gateway knew."""

from types import SimpleNamespace
from typing import Any

import pytest
from maquette.contract import JobRequest
from maquette.contract.requests import ENGINE_OPTIONS
from pydantic import TypeAdapter

from workers.engines.protocols import EngineInfo, EngineKind
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.errors import JobProblem
from workers.jobs import run_kind
from workers.jobs.engine_options import check_engine_options

AT = {"url": "https://example.org/medium"}
BOX = {"x0": 0, "y0": 0, "x1": 9, "y1": 9}
SHOWN = {"box": BOX}
SEGMENT = {"kind": "segment", "image": AT, "text": ["cat"]}
TRACK = {"kind": "track", "video": AT, "text": ["cat"]}
OBJECTS = {"kind": "objects", "image": AT, "boxes": [BOX]}
FLOOR = {"size": [2, 2], "counts": "04"}
BODIES = {"kind": "bodies", "image": AT, "boxes": [BOX]}
# a request for each option of `ENGINE_OPTIONS`, and what else its engine needs
CASES: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({**SEGMENT, "images": [{"image": AT}]}, (), "image_batch"),
    ({**SEGMENT, "outputs": ["semantic"]}, (), "semantic_map"),
    ({**SEGMENT, "fill_area": 0}, (), "mask_cleanup"),
    ({**SEGMENT, "nms_iou": 1}, (), "mask_cleanup"),
    ({**SEGMENT, "exemplars": [{**SHOWN, "image": AT}]}, (), "cross_image_exemplars"),
    ({**TRACK, "exemplars": [SHOWN]}, (), "video_exemplars"),
    ({**TRACK, "exemplars": [SHOWN, {**SHOWN, "frame": 5}]}, ("video_exemplars",), "video_exemplar_sets"),
    (
        {**TRACK, "exemplars": [{**SHOWN, "positive": False}]},
        ("video_exemplars",),
        "video_counter_exemplars",
    ),
    ({**TRACK, "prompts": [{"mask": {"size": [2, 2], "counts": "4"}}]}, (), "video_masks"),
    ({**OBJECTS, "generation": {}}, (), "generation"),
    ({**OBJECTS, "kind": "scene", "generation": {"shape_steps": 3}}, (), "generation"),
    ({**OBJECTS, "outputs": ["pointmap"]}, (), "pointmap"),
    ({**OBJECTS, "kind": "scene", "outputs": ["pointmap"]}, (), "pointmap"),
    ({**OBJECTS, "ground": FLOOR}, (), "ground_plane"),
    ({**OBJECTS, "kind": "scene", "ground": FLOOR}, (), "ground_plane"),
    ({"kind": "objects", "video": AT, "text": ["cat"], "multiview": True}, (), "many_views"),
    ({**BODIES, "people": [{"keypoints": [{"name": "nose", "x": 1, "y": 1}]}]}, (), "body_prompts"),
    ({**BODIES, "people": [{"left_hand": BOX}]}, ("body_prompts",), "hand_refinement"),
    ({**BODIES, "hands": "none"}, (), "hand_refinement"),
    ({**BODIES, "max_wrist_angle": 0}, (), "hand_refinement"),
]
OPTIONS = {option.capability: option for option in ENGINE_OPTIONS}


def load(kind: EngineKind, *capabilities: str) -> EngineSet:
    info = EngineInfo("fake", kind, "1", "cpu", "none", capabilities, ())
    return EngineSet("default", {kind: SimpleNamespace(info=info)})


@pytest.mark.parametrize(("fields", "others", "capability"), CASES)
def test_an_engine_takes_only_the_options_whose_capability_it_lists(
    fields: dict[str, Any], others: tuple[str, ...], capability: str
) -> None:
    option, request = OPTIONS[capability], TypeAdapter(JobRequest).validate_python(fields)
    check_engine_options(load(option.engine, *others, capability), request)
    context: Any = SimpleNamespace(engines=load(option.engine, *others))
    with pytest.raises(JobProblem) as refused:
        run_kind(context, request)
    problem = refused.value.problem
    assert (problem.code, problem.status) == (option.code, 422)
    assert "fake" in problem.detail and capability in problem.detail


def test_every_option_is_tried() -> None:
    assert {capability for *_, capability in CASES} == set(OPTIONS)
    assert len({option.code for option in ENGINE_OPTIONS}) == len(ENGINE_OPTIONS)


def test_a_worker_without_the_engine_says_that() -> None:
    request = TypeAdapter(JobRequest).validate_python({**BODIES, "hands": "left"})
    with pytest.raises(EngineUnavailable):
        check_engine_options(load("concepts"), request)


@pytest.mark.parametrize(
    "fields",
    [
        {**SEGMENT, "exemplars": [SHOWN], "nms_iou": None, "outputs": ["png", "polygons"]},
        {**TRACK, "prompts": [{"box": BOX}], "text": []},
        {**OBJECTS, "outputs": ["placed", "turntable", "simulation"]},
        {**BODIES, "people": [None], "lod": 2},
        {"kind": "dataset", "videos": [AT], "text": ["cat"]},
    ],
)
def test_what_every_engine_takes_is_no_option(fields: dict[str, Any]) -> None:
    assert list(TypeAdapter(JobRequest).validate_python(fields).engine_options()) == []
