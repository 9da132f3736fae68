"""`maquette dataset` against the whole stack: a folder in, a sound dataset out."""

import json
import shutil
import threading
import urllib.error
import urllib.request
from functools import partial
from http.server import ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from maquette import Maquette
from maquette.cli.dataset.serve import ReportRequestHandler
from maquette.cli.dataset.server_commands import ENTRY_POINT_GROUP, FOLDER_COMMANDS
from maquette.dataset_plan import PLAN_FILE, read_plan
from maquette.errors import JobFailed
from PIL import Image
from pycocotools.coco import COCO

from service.embedded import Stack
from tests.support.cli import run_cli, run_dataset
from tests.support.scenes import load_motorcycle
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify
from workers.geometry.boxes import bounding_box


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An animation of a motorcycle, and the same the other way round as numbered frames."""
    videos = tmp_path_factory.mktemp("videos")
    photo = load_motorcycle((240, 160))
    frames = [Image.fromarray(np.roll(photo, 2 * shift, axis=1)) for shift in range(12)]
    frames[0].save(videos / "roll.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    (videos / "frames").mkdir()
    for shift in range(12):
        Image.fromarray(np.roll(photo[:, ::-1], -2 * shift, axis=1)).save(videos / "frames" / f"{shift}.png")
    return videos


LENGTHS = ("--clip-seconds", "0.6", "--size", "200")


def test_a_folder_of_frames_and_a_video_become_one_dataset(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    words = (str(folder / "frames"), str(folder / "roll.webp"), "--text", "motorcycle", *LENGTHS)
    output = json.loads(run_dataset(stack, *words, "--licence", "CC0-1.0", "--out", str(out)))
    assert output["result"]["kind"] == "dataset"
    assert verify(out) == []
    data = Dataset(out)
    assert data.version == output["result"]["version"]
    assert sorted((row.name, row.licence, row.flags) for row in data.sources.values()) == [
        ("frames", "CC0-1.0", ("time_assumed",)),
        ("roll.webp", "CC0-1.0", ()),
    ]
    assert len(data.clip_rows) == 4 and all(row.frames == 6 for row in data.clip_rows)
    clip = next(clip for clip in data.clips() if clip.source.name == "roll.webp")
    assert [track.label for track in clip.tracks] == ["motorcycle"]
    shard = next(out.glob(f"observations-{clip.id}.parquet"))
    rows = pq.read_table(shard).to_pylist()
    assert len(rows) == 6
    for row, observation in zip(rows, clip.observations, strict=True):
        assert (row["x0"], row["y0"], row["x1"], row["y1"]) == bounding_box(clip.mask(observation))
    frames = pq.read_table(next(out.glob(f"frames-{clip.id}.parquet"))).to_pylist()
    assert [row["pts"] for row in frames] == [100 * (clip.row.first_frame + n) for n in range(6)]


def test_a_bucket_is_read_as_a_folder_is(stack: Stack, folder: Path, mq: Maquette, tmp_path: Path) -> None:
    files = pytest.importorskip("fsspec").filesystem("memory")
    files.put(str(folder / "frames"), "/bucket/frames", recursive=True)
    versions = {}
    for where in (str(folder / "frames"), "memory://bucket/frames"):
        out = tmp_path / str(len(versions))
        output = json.loads(run_dataset(stack, where, "--text", "motorcycle", *LENGTHS, "--out", str(out)))
        versions[where] = output["result"]["version"]
        assert [row.name for row in Dataset(out).sources.values()] == ["frames"]
    assert len(set(versions.values())) == 1
    files.rm("/bucket", recursive=True)


def test_workers_read_and_write_buckets_themselves(stack: Stack, folder: Path, tmp_path: Path) -> None:
    (stack.folder / "buckets").mkdir(exist_ok=True)
    shutil.copytree(folder / "frames", stack.folder / "buckets" / "frames")
    bucket = f"file://{stack.folder}/buckets"
    words = ("--text", "motorcycle", *LENGTHS, "--licence", "CC0-1.0")
    local = json.loads(run_dataset(stack, str(folder / "frames"), *words, "--max-dollars", "100"))
    remote = (f"{bucket}/frames", "--remote", "--publish", f"{bucket}/published", "--max-dollars", "100")
    output = json.loads(run_dataset(stack, *words, *remote))
    # the budget suffices, and the version does not depend on who reads
    assert output["result"]["version"] == local["result"]["version"]
    assert verify(stack.folder / "buckets" / "published") == []
    assert Dataset(stack.folder / "buckets" / "published").version == output["result"]["version"]


def test_the_requested_formats_are_written(stack: Stack, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    words = (str(folder / "roll.webp"), "--text", "motorcycle", "--text", "person", *LENGTHS)
    run_dataset(stack, *words, "--format", "coco,ytvis", "--out", str(out))
    clips = list(Dataset(out).clips())
    observations = [row for clip in clips for row in clip.observations]
    # clips of one source are in one split
    [split] = {clip.row.split for clip in clips}
    coco = COCO(str(next((out / "coco").rglob(f"{split}.json"))))
    assert len(coco.imgs) == sum(clip.row.frames for clip in clips) == 12
    assert len(coco.anns) == len(observations) > 0
    areas = sorted(int(coco.annToMask(annotation).sum()) for annotation in coco.anns.values())
    assert areas == sorted(row.area for row in observations)
    videos = json.loads(next((out / "ytvis").rglob(f"{split}.json")).read_text())
    assert [video["length"] for video in videos["videos"]] == [clip.row.frames for clip in clips]
    assert len(videos["annotations"]) == sum(len(clip.tracks) for clip in clips)
    # a requested phrase that was not found is a pair without a mask
    assert {pair["noun_phrase"] for pair in videos["video_np_pairs"]} == {"motorcycle", "person"}


def test_a_budget_that_is_spent_is_flagged(stack: Stack, folder: Path) -> None:
    words = (str(folder / "roll.webp"), "--text", "motorcycle", *LENGTHS, "--max-seconds", "0.001")
    # what earlier jobs have made would cost nothing
    words += ("--no-reuse",)
    output = json.loads(run_dataset(stack, *words))
    assert "budget_reached" in output["flags"]
    assert output["result"]["clips"] == 0 and output["result"]["rejected"]["budget"] == 2


def test_an_unknown_plugin_is_refused(folder: Path, mq: Maquette) -> None:
    with pytest.raises(JobFailed) as caught:
        mq.dataset([folder / "roll.webp"], "motorcycle", captioner="nobody").wait()
    assert caught.value.code == "plugin_unknown"


def test_objects_are_lifted_within_the_budget(folder: Path, mq: Maquette, tmp_path: Path) -> None:
    result = mq.dataset([folder / "roll.webp"], "motorcycle", clip_seconds=0.6, size=200, assets=1).wait()
    assert result.data.assets == 2
    out = result.save(tmp_path / "out")
    assert verify(out) == []
    [lifted] = [clip for clip in Dataset(out).clips() if clip.assets]
    assert {asset.kind for asset in lifted.assets} == {"mesh", "splat"}
    mesh = next(asset for asset in lifted.assets if asset.kind == "mesh")
    assert Dataset(out).path(mesh).read_bytes()[:4] == b"glTF"


def test_a_plan_file_makes_the_dataset_of_the_flags_and_is_saved_beside_it(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    words = (str(folder / "roll.webp"), "--text", "motorcycle", *LENGTHS)
    by_flags = json.loads(run_dataset(stack, *words, "--out", str(tmp_path / "one")))
    again = ("run", str(tmp_path / "one" / "plan.toml"), "--set", f"output.folder={tmp_path / 'two'}")
    by_plan = json.loads(run_dataset(stack, *again))
    assert by_plan["result"]["version"] == by_flags["result"]["version"]
    assert verify(tmp_path / "two") == []
    plans = [read_plan(tmp_path / name / "plan.toml") for name in ("one", "two")]
    assert plans[0].input == plans[1].input and plans[1].clip_seconds == 0.6


def test_rest_client_and_command_line_make_one_version_with_one_plan(
    stack: Stack, folder: Path, mq: Maquette, tmp_path: Path
) -> None:
    video, known = folder / "roll.webp", {"name": "roll.webp"}
    run_dataset(stack, str(video), "--text", "motorcycle", *LENGTHS)
    by_flags = next(iter(mq.jobs(kind="dataset"))).wait()
    options = {"clip_seconds": 0.6, "size": 200, "sources": [known]}
    by_client = mq.dataset([video], "motorcycle", **options).wait()
    body = {"kind": "dataset", "text": ["motorcycle"], "videos": [{"id": mq.upload(video).id}], **options}
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    submitted = httpx.post(f"{stack.url}/v1/jobs", json=body, headers=headers)
    by_rest = mq.job(submitted.json()["id"]).wait()
    results = [by_flags, by_client, by_rest]
    assert len({result.data.version for result in results}) == 1
    plans = {mq.read(item) for result in results for item in result.artefacts if item.name == PLAN_FILE}
    assert len(plans) == 1
    # it needs none of the files
    (tmp_path / PLAN_FILE).write_bytes(plans.pop())
    again = json.loads(run_dataset(stack, "run", str(tmp_path / PLAN_FILE)))
    assert again["result"]["version"] == by_rest.data.version


def test_an_estimate_comes_from_a_trial(stack: Stack, folder: Path) -> None:
    words = (str(folder / "roll.webp"), "--text", "motorcycle", *LENGTHS)
    output = json.loads(run_dataset(stack, *words, "--estimate", "--workers", "2", "--price", "2"))
    assert output["videos"] == 1 and output["worker_hours"] > 0
    assert output["wall_hours"] == pytest.approx(output["worker_hours"] / 2)
    assert output["cost"] == pytest.approx(2 * output["worker_hours"])
    assert output["video_hours"] == pytest.approx(1.2 / 3600, rel=0.05)


def test_inspect_prints_the_manifest(stack: Stack, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run_dataset(stack, str(folder / "roll.webp"), "--text", "motorcycle", *LENGTHS, "--out", str(out))
    assert json.loads(run_dataset(stack, "inspect", str(out))) == json.loads(
        (out / "dataset.json").read_text()
    )
    missing = run_cli(stack, "dataset", "inspect", str(tmp_path), check=False)
    assert missing.status == 1 and "dataset.json" in missing.stderr


def test_serve_shows_the_report_and_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("s")
    served = tmp_path / "data"
    served.mkdir()
    (served / "report.html").write_text("<h1>report</h1>")
    handler = partial(ReportRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert b"report" in urllib.request.urlopen(f"{base}/").read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{base}/../secret.txt")
        server.shutdown()


@pytest.mark.skipif(
    not entry_points(group=ENTRY_POINT_GROUP), reason="the checkout's entry points are older than this test"
)
def test_every_dataset_command_is_registered() -> None:
    names = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    assert {*FOLDER_COMMANDS, "check_formats", "write_formats"} <= names
    for point in entry_points(group=ENTRY_POINT_GROUP):
        assert callable(point.load())
