"""What no worker can do for want of a package is refused at once, with the command that installs it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from maquette.contract import JobRequest
from pydantic import TypeAdapter

from service.dispatch import routing
from service.guards.features import DESCRIPTIONS, check_features
from service.problems import ServiceProblem
from service.state import State
from storage.ledger import WorkerRow, fleet
from tests.support.media_files import encode_png, make_gradient
from workers.engines import extras

USD = "pip install 'maquette-server[usd]'"
CAMERAS = "pip install 'maquette-server[cameras]'"
MEDIUM = {"id": "0" * 64}
OBJECTS = {"kind": "objects", "image": MEDIUM, "text": ["cup"]}
VIDEO = {"kind": "objects", "video": MEDIUM, "text": ["cup"], "multiview": True}
POSES = [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]


def worker(**missing: str) -> WorkerRow:
    return WorkerRow("w", "default", [{"kind": "objects", "name": "default", "missing": missing}], False)


@pytest.mark.parametrize(
    ("request_fields", "workers", "command"),
    [
        ({**OBJECTS, "formats": ["usdz"]}, [worker(usdz=USD)], USD),
        ({"kind": "convert", "asset": MEDIUM, "formats": ["obj", "usdz"]}, [worker(usdz=USD)], USD),
        (VIDEO, [worker(camera_estimation=CAMERAS)], CAMERAS),
        (VIDEO, [worker(usdz=USD, camera_estimation=CAMERAS)] * 2, CAMERAS),
        # what is not asked for, what one worker has, and what is not known is let through
        ({**OBJECTS, "formats": ["glb"]}, [worker(usdz=USD)], None),
        ({**VIDEO, "world_from_cam": POSES}, [worker(camera_estimation=CAMERAS)], None),
        ({**OBJECTS, "formats": ["usdz"]}, [worker(usdz=USD), worker()], None),
        ({**OBJECTS, "formats": ["usdz"]}, [], None),
    ],
)
def test_a_request_is_refused_where_every_worker_lacks_something(
    request_fields: dict[str, Any], workers: list[WorkerRow], command: str | None
) -> None:
    request: Any = TypeAdapter(JobRequest).validate_python(request_fields)
    if command is None:
        check_features(request, workers)
        return
    with pytest.raises(ServiceProblem) as refused:
        check_features(request, workers)
    assert refused.value.problem.code == "extra_missing" and command in refused.value.problem.detail


def test_the_gateway_knows_it_from_its_workers(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "FLEET_SECONDS", 0.0)
    state.router._until = 0.0
    image = gateway.post("/v1/uploads", content=encode_png(make_gradient())).json()
    engine = {"kind": "objects", "name": "things", "available": True, "missing": {"usdz": USD}}
    fleet.announce(state.db, "lacks", "default", [engine])
    try:
        request = {**OBJECTS, "image": {"id": image["id"]}, "formats": ["usdz"]}
        refused = gateway.post("/v1/jobs", json=request)
        assert (refused.status_code, refused.json()["code"]) == (422, "extra_missing")
        # what is wrong with the request itself comes first
        unknown = gateway.post("/v1/jobs", json={**request, "image": MEDIUM})
        assert unknown.json()["code"] == "media_unknown"
        listed = {item["name"]: item for item in gateway.get("/v1/engines").json()["engines"]}
        assert listed["things"]["missing"] == {"usdz": USD}
        fleet.announce(state.db, "has", "default", [{**engine, "missing": {}}])
        assert gateway.post("/v1/jobs", json=request).status_code == 202
        listed = {item["name"]: item for item in gateway.get("/v1/engines").json()["engines"]}
        assert listed["things"]["missing"] == {} and listed["things"]["workers"] == 2
    finally:
        fleet.leave(state.db, "lacks")
        fleet.leave(state.db, "has")
        state.router._until = 0.0


def test_workers_report_the_features_that_the_gateway_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {feature.name for feature in extras.FEATURES} == set(DESCRIPTIONS)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert extras.find_missing("objects") == {"usdz": USD, "camera_estimation": CAMERAS}
    assert extras.find_missing("concepts") == {}
    monkeypatch.setattr(extras, "find_spec", lambda name: object())
    assert extras.find_missing("objects") == {}
