"""The committed OpenAPI document is the one the gateway serves."""

import json
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from maquette.contract import (
    CreateKey,
    JobKind,
    JobRequest,
    MakeLink,
    OpenSession,
    Propagate,
    RotateKey,
    VideoPrompt,
)
from pydantic import TypeAdapter

from service.app import create_app
from tests.support.paths import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "openapi.json"


def test_the_document_has_not_drifted() -> None:
    assert json.loads(DOCUMENT.read_text()) == create_app().openapi(), "run: make openapi"


def test_every_kind_of_job_is_in_it() -> None:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    kinds = {f"{kind}Job" for kind in ("Segment", "Track", "Objects", "Bodies", "Scene", "Dataset")}
    assert kinds <= set(schemas)


def test_every_error_is_a_problem() -> None:
    document = json.loads(DOCUMENT.read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: body for status, body in operation["responses"].items() if status >= "4"}
            assert {"4XX", "5XX"} <= set(errors), f"{method} {path}"
            for body in errors.values():
                assert list(body["content"]) == ["application/problem+json"]
                assert body["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert "HTTPValidationError" not in document["components"]["schemas"]


BODIES = {
    "/v1/jobs": JobRequest,
    "/v1/sessions": OpenSession,
    "/v1/sessions/{session_id}/prompts": VideoPrompt,
    "/v1/sessions/{session_id}/propagate": Propagate,
    "/v1/artefacts/{sha256}/links": MakeLink,
    "/v1/keys": CreateKey,
    "/v1/keys/{key_id}/rotate": RotateKey,
}


@pytest.mark.parametrize("path", BODIES)
def test_every_posted_json_has_valid_examples(path: str) -> None:
    operation = json.loads(DOCUMENT.read_text())["paths"][path]["post"]
    shown = operation["requestBody"]["content"]["application/json"]["examples"]
    read: Any = TypeAdapter(BODIES[path])
    for name, example in shown.items():
        assert example["summary"], name
        # what an example says is what is read from it
        known = read.validate_python(example["value"])
        assert read.dump_python(known, mode="json", exclude_unset=True) == example["value"], name
    if path == "/v1/jobs":
        kinds = {example["value"]["kind"] for example in shown.values()}
        assert kinds == set(get_args(JobKind))


def test_the_gateway_takes_the_examples_but_for_their_media(gateway: TestClient) -> None:
    shown = json.loads(DOCUMENT.read_text())["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    for name, example in shown["application/json"]["examples"].items():
        answer = gateway.post("/v1/jobs", json=example["value"])
        assert answer.json()["code"] in ("media_unknown", "job_unknown"), name
