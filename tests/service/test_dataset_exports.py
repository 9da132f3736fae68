"""Formats that a dataset job exports to are checked before it is queued."""

from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    ("export", "field", "message"),
    [
        ({"format": "gif"}, [], "lerobot"),
        ({"format": "lerobot", "sides": 128}, ["lerobot", "sides"], "no field of this name"),
        ({"format": "lerobot", "side": 100_000}, ["lerobot", "side"], "4096"),
        ({"format": "lerobot", "fit": "stretch"}, ["lerobot", "fit"], "'crop' or 'pad'"),
    ],
)
def test_a_wrong_option_is_refused_with_its_field(
    gateway: TestClient, export: dict[str, Any], field: list[str], message: str
) -> None:
    job = {"kind": "dataset", "videos": [{"id": "0" * 64}], "text": ["cup"], "exports": [export]}
    refused = gateway.post("/v1/jobs", json=job)
    [error] = refused.json()["errors"]
    assert refused.status_code == 422 and error["loc"][:3] == ["dataset", "exports", 0]
    assert error["loc"][3:] == field and message in error["message"]
