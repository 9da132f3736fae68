"""The command line on the embedded stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from service.embedded import Stack
from tests.support.scenes import ball, wall
from workers.geometry.boxes import bounding_box


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, x in (("a", 90), ("b", 200)):
        picture = wall()
        ball(picture, (120, x), 50, (220, 60, 40))
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return tmp_path


def maquette(stack: Stack, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MAQUETTE_URL": stack.url,
        "MAQUETTE_API_KEY": stack.api_key,
        "COLUMNS": "160",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from maquette.cli import main; main()", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if check:
        assert done.returncode == 0, done.stderr + done.stdout
    return done


def test_segment_takes_globs_and_saves(stack: Stack, pictures: Path) -> None:
    told = maquette(
        stack, "segment", str(pictures / "*.png"), "--point", "145,120", "--out", str(pictures / "o")
    )
    assert (pictures / "o" / "a" / "overlay.png").is_file()
    assert (pictures / "o" / "b" / "result.json").is_file()
    assert "points" not in told.stderr


def test_json_chains_a_job_into_objects(stack: Stack, pictures: Path) -> None:
    picture = wall()
    x0, y0, x1, y1 = bounding_box(ball(picture, (120, 90), 50, (220, 60, 40)))
    box = f"{x0},{y0},{x1},{y1}"
    first = json.loads(maquette(stack, "--json", "segment", str(pictures / "a.png"), "--box", box).stdout)
    assert len(first["result"]["instances"]) == 1
    out = pictures / "objects"
    told = maquette(stack, "--json", "objects", "--from-job", first["job"], "--out", str(out))
    assert json.loads(told.stdout)["result"]["objects"][0]["mesh"] == "object-000.glb"
    assert (out / "object-000.glb").read_bytes()[:4] == b"glTF"
    assert (out / "object-000.ply").read_bytes()[:3] == b"ply"


def test_jobs_get_cancel_and_engines(stack: Stack, pictures: Path) -> None:
    done = json.loads(maquette(stack, "--json", "segment", str(pictures / "a.png"), "-t", "cat").stdout)
    assert done["job"] in [job["id"] for job in json.loads(maquette(stack, "--json", "jobs").stdout)]
    maquette(stack, "get", done["job"], "--out", str(pictures / "again"))
    assert (pictures / "again" / "overlay.png").is_file()
    assert json.loads(maquette(stack, "--json", "cancel", done["job"]).stdout)["state"] == "succeeded"
    engines = json.loads(maquette(stack, "--json", "engines").stdout)
    assert {e["kind"] for e in engines if e["name"] == "default" and e["available"]} == {
        "concepts",
        "objects",
        "bodies",
    }
    assert "80 words" in maquette(stack, "engines").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["segment", "nowhere.png", "-t", "cat"], "no such file"),
        (["segment", "*.nothing", "-t", "cat"], "no file matches"),
        (["segment", "{a}", "-t", "quasar"], "unknown_phrase"),
        (["segment", "{a}", "--box", "1,2,3"], "a box is x0,y0,x1,y1"),
        (["get", "job_0000"], "job_unknown"),
    ],
)
def test_problems_end_with_a_line_and_a_status(
    stack: Stack, pictures: Path, words: list[str], said: str
) -> None:
    done = maquette(stack, *(word.format(a=pictures / "a.png") for word in words), check=False)
    assert done.returncode != 0
    assert said in done.stderr and "Traceback" not in done.stderr
