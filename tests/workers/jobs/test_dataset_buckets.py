"""Workers read videos from buckets and publish datasets to them: S3 as moto serves it, and a folder."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from fastapi.testclient import TestClient
from maquette.contract import Artefact
from PIL import Image

from service.state import State
from storage.buckets import BucketUnknown, is_allowed, open_address
from tests.support.dataset_worlds import Heartbeat, World, version
from tests.support.media_files import make_gradient
from tests.support.s3 import running_s3
from tests.support.scenes import write_ball_video
from workers.datasets.errors import DatasetError
from workers.datasets.publishing import buckets
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify
from workers.errors import JobProblem

INFO = {"licence": "CC0-1.0", "session": "s"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, running_s3("videos-in") as endpoint:
        patch.setenv("MAQUETTE_S3_ENDPOINT", endpoint)
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="sets-out")
        yield client


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, s3: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    shared = World(folder)
    write_ball_video(folder / "cut.mp4", 36)
    for name in ("v.mp4", "w.mp4"):
        s3.upload_file(str(folder / name), "videos-in", f"set/{name}")
    s3.upload_file(str(folder / "cut.mp4"), "videos-in", "settled/other.mp4")
    s3.put_object(Bucket="videos-in", Key="set/notes.txt", Body=b"no video")
    yield shared
    shared.sandbox.close()
    shared.db.close()


def test_a_bucket_is_read_and_written_by_workers(world: World, s3: Any, tmp_path: Path) -> None:
    uploaded = version(
        world.go(world.job(sources=[{"name": "v.mp4", **INFO}, {"name": "w.mp4", **INFO}]), Heartbeat())
    )
    job = world.job(
        videos=[],
        buckets=[{"address": "s3://videos-in/set", "source": INFO}],
        publish="s3://sets-out/data/one",
    )
    manifest = world.go(job, Heartbeat())
    # where videos come from changes nothing
    assert version(manifest) == uploaded
    assert manifest.result.kind == "dataset" and manifest.result.published == "s3://sets-out/data/one"
    there = s3.list_objects_v2(Bucket="sets-out", Prefix="data/one/")["Contents"]
    for item in there:
        s3.download_file("sets-out", item["Key"], str(tmp_path / Path(item["Key"]).name))
    assert {item.name for item in manifest.artefacts} <= {path.name for path in tmp_path.iterdir()}
    assert verify(tmp_path) == []
    assert sorted(row.name or "" for row in Dataset(tmp_path).sources.values()) == ["v.mp4", "w.mp4"]
    # the same again finds it there; another one is refused
    again = world.job(
        videos=[],
        buckets=[{"address": "s3://videos-in/set", "source": INFO}],
        publish="s3://sets-out/data/one",
    )
    assert version(world.go(again, Heartbeat())) == uploaded
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(publish="s3://sets-out/data/one"), Heartbeat())
    assert (caught.value.problem.code, caught.value.problem.status) == ("dataset_exists", 409)


def test_what_a_bucket_held_when_the_job_began_is_what_it_reads(world: World, s3: Any) -> None:
    job = world.job(videos=[], buckets=[{"address": "s3://videos-in/settled/*.mp4"}])
    assert world.step(job, Heartbeat()) is None
    s3.copy_object(Bucket="videos-in", Key="settled/late.mp4", CopySource="videos-in/set/v.mp4")
    manifest = world.go(job, Heartbeat())
    s3.delete_object(Bucket="videos-in", Key="settled/late.mp4")
    assert len(manifest.provenance.sources) == 1


def test_a_broken_video_is_left_out_and_reported(world: World, s3: Any) -> None:
    s3.put_object(Bucket="videos-in", Key="broken/a.mp4", Body=b"no video")
    job = world.job(videos=[], buckets=[{"address": "s3://videos-in/broken"}])
    with pytest.raises(JobProblem) as caught:
        world.go(job, Heartbeat())
    assert caught.value.problem.code == "bucket_empty"
    s3.copy_object(Bucket="videos-in", Key="broken/b.mp4", CopySource="videos-in/set/w.mp4")
    manifest = world.go(world.job(videos=[], buckets=[{"address": "s3://videos-in/broken"}]), Heartbeat())
    assert manifest.result.kind == "dataset" and manifest.result.clips > 0
    assert list(manifest.result.unreadable) == ["a.mp4"]
    assert "sources_unreadable" in manifest.flags


def test_numbered_frames_in_a_folder_are_one_video(world: World, tmp_path: Path) -> None:
    frames = tmp_path / "walk"
    frames.mkdir()
    for number in range(12):
        Image.fromarray(make_gradient(48, 64)).save(frames / f"{number}.png")
    bucket = {"address": f"file://{tmp_path}", "frame_rate": 6}
    out = tmp_path / "out"
    manifest = world.go(
        world.job(videos=[], buckets=[bucket], publish=f"file://{out}", gates={"motion": {}}), Heartbeat()
    )
    [row] = Dataset(out).sources.values()
    assert (row.name, row.frames, row.flags) == ("walk", 12, ("time_assumed",))
    assert manifest.result.kind == "dataset" and Dataset(out).version == manifest.result.version


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("s3://videos-in/nothing", "bucket_empty"),
        ("s3://nobody/set", "bucket_unreadable"),
        ("betamax://tape/1", "bucket_unknown"),
    ],
)
def test_buckets_that_cannot_be_read_are_an_error(world: World, address: str, code: str) -> None:
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(videos=[], buckets=[{"address": address}]), Heartbeat())
    assert caught.value.problem.code == code


def artefacts(world: World, text: str) -> list[Artefact]:
    collected = []
    for number, name in enumerate(["dataset.json", *(f"{n}.parquet" for n in range(20))]):
        data = f"{text} {number}".encode()
        collected.append(
            Artefact(name=name, role="table", sha256=world.store.put(data), media_type="a/b", bytes=len(data))
        )
    return collected


@pytest.mark.parametrize("root", ["s3://sets-out/race", "memory://race", "file://{folder}/race"])
def test_of_two_versions_one_wins_and_the_same_version_may_be_written_by_many(
    world: World, s3: Any, root: str, tmp_path: Path
) -> None:
    endpoint, root = s3.meta.endpoint_url, root.replace("{folder}", str(tmp_path))
    built = {text: artefacts(world, text) for text in ("a" * 64, "b" * 64)}

    def write(text: str) -> str:
        files, folder = open_address(root, endpoint)
        try:
            buckets.publish_to_bucket(files, folder, text, built[text], world.store.get, lambda a, b: None)
        except DatasetError as error:
            return error.code
        return text

    with ThreadPoolExecutor(4) as pool:
        stated = list(pool.map(write, ["a" * 64, "b" * 64] * 2))
    [winner] = set(stated) - {"dataset_exists"}
    assert stated.count(winner) == stated.count("dataset_exists") == 2
    files, folder = open_address(root, endpoint)
    for item in built[winner]:
        assert files.cat_file(f"{folder}/{item.name}") == world.store.get(item.sha256)


def test_a_killed_writer_is_resumed_and_the_manifest_comes_last(world: World) -> None:
    files, built = fsspec.filesystem("memory"), artefacts(world, "c")

    def dies(done: int, total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        buckets.publish_to_bucket(files, "/dead", "c" * 64, built, world.store.get, dies)
    half = files.find("/dead")
    assert 0 < len(half) < len(built) and "/dead/dataset.json" not in half
    read: list[str] = []

    def stored(sha256: str) -> bytes:
        read.append(sha256)
        return world.store.get(sha256)

    buckets.publish_to_bucket(files, "/dead", "c" * 64, built, stored, lambda a, b: None)
    assert len(files.find("/dead")) == len(built) + 1
    assert len(read) == len(built) + 1 - len(half)


def test_a_claim_without_a_version_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "CLAIM_READ_ATTEMPTS", 1)
    files = fsspec.filesystem("memory")
    files.pipe_file("/nobody/.claimed", b"")
    with pytest.raises(DatasetError, match="whose writer stopped"):
        buckets.publish_to_bucket(files, "/nobody", "d" * 64, [], world.store.get, lambda a, b: None)


@pytest.mark.parametrize(
    ("address", "setting", "fine"),
    [
        ("s3://videos/a/b.mp4", "s3://videos", True),
        ("s3://videos", "gs://x, s3://videos/", True),
        ("s3://videos2/a", "s3://videos", False),
        ("s3://videos/acme/a", "s3://videos/{tenant}", True),
        ("s3://videos/other/a", "s3://videos/{tenant}", False),
        ("file:///data/../etc/passwd", "file:///data", False),
        ("memory://a/b::file:///etc", "memory://a", False),
        ("s3://videos/a", "", False),
    ],
)
def test_only_what_the_operator_allows_is_allowed(address: str, setting: str, fine: bool) -> None:
    assert is_allowed(address, "acme", setting) is fine


def test_unknown_schemes_are_refused() -> None:
    with pytest.raises(BucketUnknown):
        open_address("betamax://tape")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"buckets": [{"address": "s3://secret/a"}]}, "bucket_not_allowed"),
        ({"buckets": [{"address": "s3://open/a"}], "publish": "s3://open/out"}, "bucket_not_allowed"),
        ({"buckets": [{"address": "/etc"}]}, "invalid_request"),
        ({}, "invalid_request"),
        ({"buckets": [{"address": "s3://open/a"}], "max_dollars": 5}, "price_unknown"),
    ],
)
def test_the_gateway_refuses_before_a_job_is_made(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], code: str
) -> None:
    monkeypatch.setattr(state.settings, "bucket_read", "s3://open")
    answer = gateway.post("/v1/jobs", json={"kind": "dataset", "text": ["person"], **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert gateway.get("/v1/jobs").json()["jobs"] == []


def test_the_gateway_takes_what_is_allowed_and_priced(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("bucket_read", "s3://open"), ("bucket_write", "s3://o"), ("price_cpu_hour", 0.04)):
        monkeypatch.setattr(state.settings, name, value)
    request = {"kind": "dataset", "text": ["person"], "max_dollars": 5, "publish": "s3://o/1"}
    answer = gateway.post("/v1/jobs", json={**request, "buckets": [{"address": "s3://open/a"}]})
    assert answer.status_code == 202
