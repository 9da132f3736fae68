"""Requests for bodies that the gateway refuses, each with the code that says why."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.state import State
from storage.ledger import leases
from tests.support.media_files import encode_png, make_gradient, write_video

EYE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
MIRROR = [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
SCALED = [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]
SHEARED = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
CAMERA = {"fx": 60, "fy": 60, "cx": 32, "cy": 24}


@pytest.fixture
def image(gateway: TestClient) -> dict[str, str]:
    return {"id": gateway.post("/v1/uploads", content=encode_png(make_gradient())).json()["id"]}


@pytest.fixture
def video(gateway: TestClient, tmp_path: Any) -> dict[str, str]:
    data = write_video(tmp_path / "v.mp4").read_bytes()
    return {"id": gateway.post("/v1/uploads", content=data).json()["id"]}


def answer(gateway: TestClient, **request: Any) -> tuple[int, str]:
    response = gateway.post("/v1/jobs", json={"kind": "bodies", **request})
    return response.status_code, response.json().get("code", "")


@pytest.mark.parametrize(
    "camera",
    [
        {**CAMERA, "fx": 1, "fy": 1},
        {**CAMERA, "fx": 1e5, "fy": 1e5},
        {**CAMERA, "fx": 2},
        {**CAMERA, "fy": 1e6},
        {**CAMERA, "cx": 1e6},
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_implausible_intrinsics_are_refused(
    gateway: TestClient, image: dict[str, str], video: dict[str, str], camera: dict[str, float], kind: str
) -> None:
    medium = {"image": image, "video": video}[kind]
    assert answer(gateway, **{kind: medium}, camera=camera) == (422, "camera_implausible")


def test_every_kind_of_job_with_a_camera_is_checked(gateway: TestClient, image: dict[str, str]) -> None:
    wild = {**CAMERA, "fx": 1, "fy": 1}
    for request in ({"kind": "objects", "text": ["cat"]}, {"kind": "scene", "text": ["cat"]}):
        response = gateway.post("/v1/jobs", json={**request, "image": image, "camera": wild})
        assert (response.status_code, response.json()["code"]) == (422, "camera_implausible")


@pytest.mark.parametrize(
    "camera",
    [CAMERA, {**CAMERA, "fx": 4, "fy": 4}, {**CAMERA, "fx": 5000, "fy": 5000}, {**CAMERA, "cx": -20}],
)
def test_plausible_cameras_are_accepted(
    gateway: TestClient, image: dict[str, str], camera: dict[str, float]
) -> None:
    assert answer(gateway, image=image, camera=camera)[0] == 202


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"image": True, "video": True},
        {"image": True, "formats": []},
        {"image": True, "formats": ["fbx"]},
        {"image": True, "lod": 7},
        {"image": True, "max_people": 0},
        {"image": True, "max_frames": 5},
        {"image": True, "world_from_cam": [EYE]},
        {
            "image": True,
            "boxes": [{"x0": 1, "y0": 1, "x1": 9, "y1": 9}] * 2,
            "masks": [{"size": [48, 64], "counts": "T3"}],
        },
        {"video": True, "boxes": [{"x0": 1, "y0": 1, "x1": 9, "y1": 9}]},
        {"video": True, "formats": ["glb", "ply"]},
        {"video": True, "world_from_cam": [MIRROR]},
        {"video": True, "world_from_cam": [SCALED]},
        {"video": True, "world_from_cam": [SHEARED]},
        {"video": True, "world_from_cam": [[[1, 0, 0, 0]] * 3]},
        {"video": True, "max_gap_seconds": -1},
    ],
)
def test_requests_that_break_the_contract(
    gateway: TestClient, image: dict[str, str], video: dict[str, str], fields: dict[str, Any]
) -> None:
    media = {"image": image, "video": video}
    request = {name: media.get(name, value) for name, value in fields.items()}
    assert answer(gateway, **request) == (422, "invalid_request")


def test_media_of_the_wrong_kind_are_refused(
    gateway: TestClient, image: dict[str, str], video: dict[str, str]
) -> None:
    assert answer(gateway, image=video) == (422, "not_an_image")
    assert answer(gateway, video=image) == (422, "not_a_video")
    assert answer(gateway, video=video, world_from_cam=[EYE] * 10, formats=["glb", "bvh"])[0] == 202


def test_versions_are_decided_again_from_dataset_jobs_alone(
    gateway: TestClient, state: State, video: dict[str, str]
) -> None:
    def regate(job_id: str) -> tuple[int, str]:
        request = {"kind": "dataset", "from_job": job_id, "gates": {"flicker": {"high": 0.2}}}
        response = gateway.post("/v1/jobs", json=request)
        return response.status_code, response.json().get("code", "")

    track = gateway.post("/v1/jobs", json={"kind": "track", "video": video, "text": ["person"]}).json()["id"]
    dataset = gateway.post("/v1/jobs", json={"kind": "dataset", "videos": [video], "text": ["person"]})
    assert regate(track) == (422, "source_wrong_kind")
    assert regate(dataset.json()["id"]) == (409, "source_not_ready")
    assert regate("job_" + "0" * 28) == (404, "job_unknown")
    job = leases.claim(state.db, dataset.json()["id"], "w", 30)
    assert job is not None and leases.succeed(state.db, job, "0" * 64)
    assert regate(dataset.json()["id"]) == (202, "")
    assert answer(gateway, kind="dataset", videos=[video]) == (422, "invalid_request")


def test_jobs_that_can_be_continued(
    gateway: TestClient, state: State, image: dict[str, str], video: dict[str, str]
) -> None:
    collected = {}
    for kind, source in (
        ("segment", {"image": image}),
        ("track", {"video": video}),
        ("bodies", {"image": image}),
    ):
        request = {"kind": kind, **source, **({} if kind == "bodies" else {"text": ["person"]})}
        collected[kind] = gateway.post("/v1/jobs", json=request).json()["id"]
        job = leases.claim(state.db, collected[kind], "w", 30)
        assert job is not None and leases.succeed(state.db, job, "0" * 64)
    assert answer(gateway, from_job=collected["bodies"]) == (422, "source_wrong_kind")
    assert answer(gateway, from_job=collected["track"], formats=["obj"]) == (422, "source_wrong_kind")
    assert answer(gateway, from_job=collected["segment"], max_frames=3) == (422, "source_wrong_kind")
    assert answer(gateway, from_job=collected["track"], camera={**CAMERA, "fx": 1}) == (
        422,
        "camera_implausible",
    )
    assert answer(gateway, from_job=collected["segment"], camera={**CAMERA, "fx": 1}) == (
        422,
        "camera_implausible",
    )
    assert answer(gateway, from_job=collected["track"], formats=["bvh"], max_frames=3)[0] == 202
    assert answer(gateway, from_job=collected["segment"], formats=["obj"])[0] == 202
    for kind in ("objects", "scene"):
        response = gateway.post("/v1/jobs", json={"kind": kind, "from_job": collected["track"]})
        assert json.loads(response.content)["code"] == "source_wrong_kind"
        response = gateway.post("/v1/jobs", json={"kind": kind, "from_job": collected["segment"]})
        assert response.status_code == 202


@pytest.mark.parametrize("height", [0.1, 3, "tall", [1.1], [1.1, 1.2, 1.3], [1.1, 0]])
def test_impossible_heights_are_refused(gateway: TestClient, image: dict[str, str], height: Any) -> None:
    boxes = [{"x0": 0, "y0": 0, "x1": 20, "y1": 40}, {"x0": 20, "y0": 0, "x1": 40, "y1": 40}]
    assert answer(gateway, image=image, boxes=boxes, height_m=height)[0] == 422


@pytest.mark.parametrize("height", [1, 1.12, [1.1, None]])
def test_a_height_for_all_or_one_per_box(gateway: TestClient, image: dict[str, str], height: Any) -> None:
    boxes = [{"x0": 0, "y0": 0, "x1": 20, "y1": 40}, {"x0": 20, "y0": 0, "x1": 40, "y1": 40}]
    assert answer(gateway, image=image, boxes=boxes, height_m=height)[0] == 202
