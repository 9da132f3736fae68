"""What a sender reads of a wrong field: its name and what it should be, and nothing of how it is checked."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from maquette.contract import BodiesJob
from maquette.contract.field_errors import FORMS
from maquette.errors import InvalidRequest, invalid_requests

IMAGE = {"url": "https://example.org/image.jpg"}
BOX = {"x0": 0, "y0": 0, "x1": 20, "y1": 40}
MEDIA = {"bodies": "image", "objects": "image", "track": "video", "segment": "image", "scene": "image"}
# names of validators and branches, and Python's types
INTERNALS = re.compile(
    r"function-|constrained|nullable|\[|Value error|dictionary|tuple|extract|discriminator|after validation"
    r"|\bTrue\b|\bNone\b|pydantic|pattern"
)


def list_patterns(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {pattern for item in schema for pattern in list_patterns(item)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own | list_patterns(list(schema.values()))


def test_every_pattern_of_the_contract_is_explained(gateway: TestClient) -> None:
    assert list_patterns(gateway.get("/openapi.json").json()) == set(FORMS)


def refuse(gateway: TestClient, request: Any) -> dict[str, Any]:
    answer = gateway.post("/v1/jobs", json=request)
    assert answer.status_code == 422
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == "invalid_request"
    return problem


@pytest.mark.parametrize(
    ("height", "shown"),
    [
        (99, "99"),
        (0.01, "0.01"),
        (-1, "-1"),
        ("tall", '"tall"'),
        (True, "true"),
        ({}, "{}"),
        ([1.8, 99], "99"),
        ([1.8, "x"], '"x"'),
        ([1.8, [1]], "[1]"),
        ("1" * 500, "1…"),
    ],
)
def test_a_wrong_height_is_named_with_what_it_may_be(gateway: TestClient, height: Any, shown: str) -> None:
    problem = refuse(gateway, {"kind": "bodies", "image": IMAGE, "boxes": [BOX, BOX], "height_m": height})
    (error,) = problem["errors"]
    assert error["loc"] == ["bodies", "height_m"]
    assert f"{shown} is not a valid height: give 0.3 to 2.6 metres" in error["message"]
    assert "one per box or mask" in problem["detail"] and len(problem["detail"]) < 220
    with pytest.raises(InvalidRequest, match=re.escape(error["message"])), invalid_requests():
        BodiesJob.model_validate({"image": IMAGE, "boxes": [BOX, BOX], "height_m": height})


def test_too_many_heights_are_counted(gateway: TestClient) -> None:
    problem = refuse(gateway, {"kind": "bodies", "image": IMAGE, "height_m": [1.8] * 300})
    assert problem["detail"] == "bodies.height_m: there are 300 heights: the most is 256"


@pytest.mark.parametrize(
    ("kind", "fields", "field", "words"),
    [
        ("bodies", {"boxes": [[0, 0, 9]]}, "boxes.0", "an object"),
        ("bodies", {"boxes": [{**BOX, "x0": "a"}]}, "boxes.0.x0", "number"),
        ("bodies", {"boxes": [{**BOX, "x1": 0}]}, "boxes.0", "x1 > x0"),
        ("bodies", {"boxes": "x"}, "boxes", "list"),
        ("bodies", {"masks": [1]}, "masks.0", "an object"),
        ("bodies", {"masks": [{"size": [4, 4]}]}, "masks.0.counts", "required"),
        ("bodies", {"gravity": "down"}, "gravity", "list"),
        ("bodies", {"gravity": [0, 1]}, "gravity.2", "required"),
        ("bodies", {"gravity": [0, 0, 0]}, None, "'gravity' is a direction"),
        ("bodies", {"camera": 5}, "camera", "an object"),
        ("bodies", {"camera_pitch_deg": 200}, "camera_pitch_deg", "90"),
        ("bodies", {"formats": []}, "formats", "at least 1 item"),
        ("bodies", {"formats": ["fbx"]}, "formats.0", "'glb'"),
        ("bodies", {"people": [3], "boxes": [BOX]}, "people.0", "an object"),
        ("bodies", {"world_from_cam": [[1]]}, "world_from_cam.0.0", "list"),
        ("bodies", {"vertices": "maybe"}, "vertices", "boolean"),
        ("bodies", {"size": 3}, "size", "no field of this name"),
        ("objects", {"text": "cup"}, "text", "list"),
        ("objects", {"text": ["cup"], "depth": 5}, "depth", "an object"),
        ("objects", {"text": ["cup"], "ground": 5}, "ground", "an object"),
        ("objects", {"points": [[1, 2]]}, "points.0.0", "an object"),
        ("objects", {"masks": []}, None, "say which objects"),
        ("objects", {"text": ["cup", " "]}, "text.1", "not be blank"),
        ("objects", {"from_job": "job_1"}, "from_job", "id of a job"),
        ("objects", {"text": ["cup"], "engine": "SAM 3"}, "engine", "name of an engine"),
        ("scene", {"text": ["cup"], "formats": ["bvh"]}, "formats.0", "'glb'"),
        ("segment", {"text": ["cup"], "threshold": "much"}, "threshold", "number"),
        ("track", {"text": 5}, "text", "list"),
        ("track", {"text": ["cup"], "max_frames": 0}, "max_frames", "1"),
        ("track", {"text": ["cup"], "exemplars": [5]}, "exemplars.0", "an object"),
        ("track", {"boxes": [[1, 2, 3, 4]]}, "boxes.0", "an object"),
    ],
)
def test_wrong_fields_are_explained_in_plain_words(
    gateway: TestClient, kind: str, fields: dict[str, Any], field: str | None, words: str
) -> None:
    problem = refuse(gateway, {"kind": kind, MEDIA[kind]: IMAGE, **fields})
    where = kind if field is None else f"{kind}.{field}"
    assert problem["detail"].startswith(f"{where}: ")
    assert words in problem["detail"]
    texts = [problem["detail"], *(error["message"] for error in problem["errors"])]
    assert [text for text in texts if INTERNALS.search(text)] == []


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        ({}, "the request: the field 'kind' is required"),
        (
            {"kind": "nope"},
            "the request: 'nope' is not a known kind: give one of 'segment', 'track', 'objects', ",
        ),
        ([], "the request: Input should be an object with named fields"),
    ],
)
def test_a_request_of_no_kind_is_told_the_kinds(gateway: TestClient, request_: Any, detail: str) -> None:
    assert refuse(gateway, request_)["detail"].startswith(detail)
