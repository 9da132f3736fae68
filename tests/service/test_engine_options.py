"""Options that only some engines take: each option and engine, through REST, the SDK and the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from maquette import InvalidRequest, Maquette
from maquette.contract.requests import ENGINE_OPTIONS
from PIL import Image
from sqlalchemy import select

from service.dispatch import routing
from service.state import State
from storage.ledger import fleet
from storage.ledger.tables import jobs
from tests.support.engine_options import (
    BOX,
    CASES,
    ENGINES,
    HANDS,
    KINDS,
    MASK,
    PERSON,
    Fields,
    expect_code,
    list_pairs,
)
from tests.support.gateway_cli import Run, run
from tests.support.media_files import write_clip
from tests.support.scenes import make_wall

__all__ = ["run"]

# a job with prompts needs somebody who finds objects, too
FINDER = {"kind": "concepts", "name": "finder", "available": True, "capabilities": ["phrases", "boxes"]}
# known engines of each kind without a worker
ABSENT = {"concepts": "sam3", "objects": "sam3d_objects", "bodies": "sam3d_body"}
Connect = Callable[..., None]


@pytest.fixture
def connect(state: State, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Connect a worker with an engine of `ENGINES`, or with described ones."""
    monkeypatch.setattr(routing, "FLEET_SECONDS", 0.0)
    names: list[str] = []

    def add(engine: str | list[Fields], queue: str) -> None:
        names.append(f"worker {len(names)}")
        fleet.announce(state.db, names[-1], queue, describe(engine) if isinstance(engine, str) else engine)
        state.router._until = 0.0

    return add


def describe(engine: str) -> list[Fields]:
    kind, name, capabilities = ENGINES[engine]
    own = {"kind": kind, "name": name, "available": True, "capabilities": list(capabilities)}
    return [own] if kind == "concepts" else [own, FINDER]


def find_queue(engine: str) -> str:
    return "default" if engine.startswith("default") else ENGINES[engine][1]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tmp_path = tmp_path_factory.mktemp("media")
    for name, color in (("red", "red"), ("blue", "blue")):
        Image.new("RGB", (40, 30), color).save(tmp_path / f"{name}.png")
    Image.new("L", (40, 30), 255).save(tmp_path / "floor.png")
    write_clip(tmp_path / "clip.mp4", [make_wall(size=(30, 40))] * 4, rate=4)
    files = {"mask": [{"mask": MASK}], "person": [PERSON], "hands": [{**PERSON, **HANDS}]}
    for name, content in (files | {"further": [{"image": str(tmp_path / "blue.png")}]}).items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return {path.stem: path for path in tmp_path.iterdir()}


def build(gateway: TestClient, media: dict[str, Path], name: str, engine: str) -> Fields:
    """The request of a case with its media uploaded."""

    def upload(medium: str) -> Fields:
        return {"id": gateway.post("/v1/uploads", content=media[medium].read_bytes()).json()["id"]}

    fields = json.loads(json.dumps(CASES[name][0])) | {"engine": engine}
    if fields["kind"] == "track" or "video" in fields:
        fields["video"] = upload("clip")
    else:
        fields["image"] = upload("red")
    for item in [*fields.get("images", ()), *fields.get("exemplars", ())]:
        if "image" in item:
            item["image"] = upload("blue")
    if "world_from_cam" in fields:
        fields["world_from_cam"] = [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]
    return fields


@pytest.mark.parametrize(("name", "engine"), list(list_pairs()))
def test_an_engine_takes_an_option_or_the_gateway_refuses_it(
    gateway: TestClient, connect: Connect, media: dict[str, Path], name: str, engine: str
) -> None:
    connect(engine, find_queue(engine))
    answer = gateway.post("/v1/jobs", json=build(gateway, media, name, ENGINES[engine][1]))
    if engine in CASES[name][2]:
        assert answer.status_code == 202, answer.text
        return
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    listed = {item["name"]: item for item in gateway.get("/v1/engines").json()["engines"]}
    assert problem["code"] == expect_code(name, engine)
    assert problem["capability"] not in listed[ENGINES[engine][1]]["capabilities"]
    assert problem["engines"] == [] and ENGINES[engine][1] in problem["detail"]


@pytest.mark.parametrize("name", list(CASES))
def test_the_sdk_and_the_command_line_say_so(
    gateway: TestClient, run: Run, connect: Connect, media: dict[str, Path], name: str
) -> None:
    fields, words, able, _ = CASES[name]
    words = [_locate(word, media) if "." in word else word for word in words]
    kind = KINDS.get(fields["kind"], "objects")
    engines = {engine: of for engine, (of, *_) in ENGINES.items() if of == kind}
    lacking = next((engine for engine in engines if engine not in able), None)
    mq = Maquette("http://gateway", api_key=_key(gateway), transport=gateway._transport)
    if lacking is not None:
        connect(lacking, find_queue(lacking))
        with pytest.raises(InvalidRequest) as refused:
            _call(mq, media, fields)
        assert refused.value.code == expect_code(name, lacking)
        if words:
            outcome = run(*words)
            assert outcome.status == 1 and refused.value.code in outcome.stderr, outcome
    best = sorted(able)[0]
    connect(best, find_queue(best))
    # auto goes where the option is taken; only a scene needs a worker with several engines
    chosen = ENGINES[best][1] if fields["kind"] == "scene" else "auto"
    assert _call(mq, media, fields | {"engine": chosen}).id.startswith("job_")
    if words:
        outcome = run(*words, "--engine", chosen)
        assert outcome.status == 130, outcome


def _locate(word: str, media: dict[str, Path]) -> str:
    """A word with the path of the file that it names, alone or after an @."""
    before, separator, name = word.rpartition("@")
    return f"{before}{separator}{media.get(Path(name).stem, name)}"


def _key(gateway: TestClient) -> str:
    return str(gateway.headers["Authorization"]).removeprefix("Bearer ")


def _call(mq: Maquette, media: dict[str, Path], fields: Fields) -> Any:
    """The SDK's method of a request."""
    options = {name: value for name, value in fields.items() if name != "kind"}
    if options.get("world_from_cam"):
        options["world_from_cam"] = [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]
    for name in ("images", "exemplars"):
        options |= {name: [_with_media(item, media) for item in options[name]]} if name in options else {}
    if options.get("video"):
        options["video"] = media["clip"]
        return mq.objects(**options)
    medium = media["clip" if fields["kind"] == "track" else "red"]
    return getattr(mq, fields["kind"])(medium, **options)


def _with_media(item: Fields, media: dict[str, Path]) -> Fields:
    return item | {"image": media["blue"]} if "image" in item else item


def test_nothing_is_refused_that_is_not_known(
    gateway: TestClient, state: State, connect: Connect, media: dict[str, Path]
) -> None:
    request = build(gateway, media, "semantic maps", "auto")
    assert gateway.post("/v1/jobs", json=request).status_code == 202
    # an engine that failed to load may be there after a restart, and another worker has what one lacks
    broken = {"kind": "concepts", "name": "default", "available": False, "why_not": "no weights"}
    connect([broken], "default")
    assert gateway.post("/v1/jobs", json=request).status_code == 202
    connect("default concepts", "default")
    refused = gateway.post("/v1/jobs", json=request)
    assert refused.json()["code"] == "semantic_map_unsupported"
    # what is wrong with the request itself comes first
    unknown = gateway.post("/v1/jobs", json=request | {"image": {"id": "0" * 64}})
    assert unknown.json()["code"] == "media_unknown"
    fleet.drain(state.db, "worker 1")
    assert gateway.post("/v1/jobs", json=request).status_code == 202


def test_auto_takes_the_engine_that_takes_the_option_and_others_name_it(
    gateway: TestClient, state: State, connect: Connect, media: dict[str, Path]
) -> None:
    connect("default objects", "default")
    connect("sam3d_objects", "big")
    connect("default concepts", "default")
    connect("sam3 by Meta", "meta")

    def submit(name: str, engine: str = "auto") -> str:
        answer = gateway.post("/v1/jobs", json=build(gateway, media, name, engine))
        assert answer.status_code == 202, answer.text
        with state.db.read() as connection:
            query = select(jobs.c.queue).where(jobs.c.id == answer.json()["id"])
            return str(connection.execute(query).scalar_one())

    assert submit("a point map") == "big"
    assert submit("semantic maps") == "meta"
    # Meta's package takes no masks in videos, and the default engine does
    assert submit("a mask in a video") == "default"
    refused = gateway.post("/v1/jobs", json=build(gateway, media, "a point map", "default")).json()
    assert refused["engines"] == ["sam3d_objects"] and "sam3d_objects" in refused["detail"]
    # a second queue with the same engine, which takes more
    connect("sam3", "transformers")
    assert submit("several exemplars in a video", "sam3") == "transformers"


def test_a_session_refuses_a_mask_at_once(
    gateway: TestClient, connect: Connect, media: dict[str, Path]
) -> None:
    connect("sam3 by Meta", "sam3")
    video = gateway.post("/v1/uploads", content=media["clip"].read_bytes()).json()["id"]
    session = gateway.post("/v1/sessions", json={"video": video, "engine": "sam3"}).json()["id"]
    prompts = f"/v1/sessions/{session}/prompts"
    assert gateway.post(prompts, json={"box": BOX}).status_code == 201
    refused = gateway.post(prompts, json={"mask": MASK})
    assert (refused.status_code, refused.json()["code"]) == (422, "mask_prompt_unsupported")


def test_every_option_is_listed_and_documented(gateway: TestClient, connect: Connect) -> None:
    listed = {item["name"]: item for item in gateway.get("/v1/engines").json()["engines"]}
    assert {name: item["available"] for name, item in listed.items()} == dict.fromkeys(ABSENT.values(), False)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "engine-options.md").read_text()
    for option in ENGINE_OPTIONS:
        assert option.capability in listed[ABSENT[option.engine]]["capabilities"]
        assert f"| `{option.capability}` |" in page and f"`{option.code}`" in page
