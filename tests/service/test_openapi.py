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
