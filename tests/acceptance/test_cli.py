"""The command line on the embedded stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.embedded import Stack
from tests.support.cli import client_environment, run_cli
from tests.support.scenes import draw_ball, make_wall
from workers.geometry.boxes import bounding_box


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, x in (("a", 90), ("b", 200)):
        image = make_wall()
        draw_ball(image, (120, x), 50, (220, 60, 40))
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return tmp_path


def test_segment_takes_globs_and_saves(stack: Stack, images: Path) -> None:
    outcome = run_cli(
        stack, "segment", str(images / "*.png"), "--point", "145,120", "--out", str(images / "o")
    )
    assert (images / "o" / "a" / "overlay.png").is_file()
    assert (images / "o" / "b" / "result.json").is_file()
    assert "points" not in outcome.stderr


def test_a_bad_file_among_good_ones_is_skipped(stack: Stack, images: Path) -> None:
    (images / "b.png").rename(images / "Title [x].png")
    (images / "empty.png").touch()
    (images / "list.txt").write_bytes(f"\ufeff{images}/Title [x].png\r\n\r\n{images}/e*.png\r\n".encode())
    words = ("segment", f"@{images}/list.txt", "--point", "145,120", "--out", str(images / "o"))
    outcome = run_cli(stack, *words, check=False)
    assert outcome.status == 3 and f"{images}/empty.png: upload_empty" in outcome.stderr
    assert [path.name for path in (images / "o").iterdir()] == ["Title [x]"]
    assert run_cli(stack, *words, "--strict", check=False).status == 1


def test_exemplars_of_another_image_find_their_like(stack: Stack, images: Path) -> None:
    example = make_wall(seed=3)
    # where the searched image shows nothing but the wall
    red = bounding_box(draw_ball(example, (60, 240), 40, (220, 60, 40)))
    blue = bounding_box(draw_ball(example, (180, 240), 40, (40, 90, 220)))
    Image.fromarray(example).save(images / "example.png")
    wanted = bounding_box(draw_ball(make_wall(), (120, 90), 50, (220, 60, 40)))
    like, unlike = (f"{','.join(map(str, box))}@{images}/example.png" for box in (red, blue))
    words = ("--json", "segment", str(images / "a.png"), "-e", like, "--counter", unlike)
    (found,) = json.loads(run_cli(stack, *words).stdout)["result"]["instances"]
    assert np.allclose([found["box"][name] for name in ("x0", "y0", "x1", "y1")], wanted, atol=8)


def test_json_chains_a_job_into_objects(stack: Stack, images: Path) -> None:
    image = make_wall()
    x0, y0, x1, y1 = bounding_box(draw_ball(image, (120, 90), 50, (220, 60, 40)))
    box = f"{x0},{y0},{x1},{y1}"
    first = json.loads(run_cli(stack, "--json", "segment", str(images / "a.png"), "--box", box).stdout)
    assert len(first["result"]["instances"]) == 1
    out = images / "objects"
    outcome = run_cli(stack, "--json", "objects", "--from-job", first["job"], "--out", str(out))
    assert json.loads(outcome.stdout)["result"]["objects"][0]["mesh"] == "object-000.glb"
    assert (out / "object-000.glb").read_bytes()[:4] == b"glTF"
    assert (out / "object-000.ply").read_bytes()[:3] == b"ply"


def test_masks_of_files_have_labels(stack: Stack, images: Path) -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[40:140, 70:170] = 255
    Image.fromarray(mask).save(images / "mask.png")
    words = ("--json", "objects", str(images / "a.png"), "--mask", str(images / "mask.png"))
    outcome = run_cli(stack, *words, "--mask-label", "ball", "--out", str(images / "ball"))
    assert [item["label"] for item in json.loads(outcome.stdout)["result"]["objects"]] == ["ball"]
    refused = run_cli(stack, *words, "--mask-label", "ball", "--mask-label", "-", check=False)
    assert refused.status != 0 and "mask_labels" in refused.stderr and "Traceback" not in refused.stderr


def test_jobs_get_cancel_and_engines(stack: Stack, images: Path) -> None:
    job = json.loads(run_cli(stack, "--json", "segment", str(images / "a.png"), "-t", "cat").stdout)
    assert job["job"] in [listed["id"] for listed in json.loads(run_cli(stack, "--json", "jobs").stdout)]
    run_cli(stack, "get", job["job"], "--out", str(images / "again"))
    assert (images / "again" / "overlay.png").is_file()
    assert json.loads(run_cli(stack, "--json", "cancel", job["job"]).stdout)["state"] == "succeeded"
    engines = json.loads(run_cli(stack, "--json", "engines").stdout)
    assert {e["kind"] for e in engines if e["name"] == "default" and e["available"]} == {
        "concepts",
        "objects",
        "bodies",
    }
    assert "80 words" in run_cli(stack, "engines").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segment", "nowhere.png", "-t", "cat"], "no such file"),
        (["segment", "*.nothing", "-t", "cat"], "no file matches"),
        (["segment", "{a}", "-t", "quasar"], "unknown_phrase"),
        (["segment", "{a}", "--box", "1,2,3"], "a box is x0,y0,x1,y1"),
        (["segment", "{a}", "-e", "1,2,3,4@none.png"], "there is no file 'none.png'"),
        (["get", "job_0000"], "job_unknown"),
    ],
)
def test_problems_print_one_line_and_set_the_exit_status(
    stack: Stack, images: Path, words: list[str], message: str
) -> None:
    outcome = run_cli(stack, *(word.format(a=images / "a.png") for word in words), check=False)
    assert outcome.status != 0
    assert message in outcome.stderr and "Traceback" not in outcome.stderr


def test_the_entry_point_runs_in_a_process_of_its_own(stack: Stack) -> None:
    command = [sys.executable, "-c", "from maquette.cli import main; main()", "get", "job_0000"]
    environment = {**os.environ, **client_environment(stack)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "job_unknown" in ended.stderr and "Traceback" not in ended.stderr
