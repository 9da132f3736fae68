"""The committed OpenAPI document is the one the gateway serves."""

import json

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
