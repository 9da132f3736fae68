"""Whatever a request can say, the command line can say too."""

import json
from pathlib import Path
from typing import Any

import pytest
from maquette.cli.context import CliContext
from maquette.cli.main import app
from maquette.contract import BodiesJob, ConvertJob, ObjectsJob, SceneJob, SegmentJob, TrackJob
from pydantic import BaseModel
from typer.testing import CliRunner

POSE = [[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


class Submitted(Exception):
    """What a command would have submitted: the named arguments of the client's method."""

    def __init__(self, named: dict[str, Any]) -> None:
        super().__init__(named)
        self.named = named


class Service:
    """A client that raises what it is asked to submit."""

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def upload(self, medium: object) -> object:
        return medium

    def media(self, _upload: object) -> None:
        return

    def __getattr__(self, kind: str) -> Any:
        def submit(*_: Any, **named: Any) -> None:
            raise Submitted(named)

        return submit


@pytest.fixture(autouse=True)
def in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(CliContext, "client", lambda _: Service())
    monkeypatch.chdir(tmp_path)
    Path("a.ply").write_bytes(b"-")
    Path("poses.json").write_text(json.dumps([POSE]))


def submit(*words: str) -> dict[str, Any]:
    outcome = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert isinstance(outcome.exception, Submitted), outcome.output
    return outcome.exception.named


@pytest.mark.parametrize(
    ("model", "command", "without"),
    [
        (SegmentJob, "segment", {"image"}),
        (TrackJob, "track", {"video"}),
        (ObjectsJob, "objects", {"image"}),
        (SceneJob, "scene", {"image"}),
        # --from-job takes the place of the image
        (BodiesJob, "bodies", {"image", "from_job"}),
        # a conversion draws nothing at random and calls no engine
        (ConvertJob, "convert", {"asset", "formats", "seed", "engine"}),
    ],
)
def test_every_field_of_a_request_has_an_option(
    model: type[BaseModel], command: str, without: set[str]
) -> None:
    words = [command, "a.ply", *(["b.obj"] if command == "convert" else [])]
    named = set(submit(*words))
    if "thresholds" in model.model_fields:
        named |= set(submit(*words, "-t", "cup,car", "--threshold", "0.3", "--threshold", "0.5"))
    assert set(model.model_fields) - named == without | {"kind"}


@pytest.mark.parametrize("command", ["objects", "scene"])
def test_each_phrase_of_a_reconstruction_has_its_threshold(command: str) -> None:
    named = submit(command, "a.ply", "-t", "cup", "-t", "car", "--threshold", "0.3", "--threshold", "0.5")
    assert named["thresholds"] == [0.3, 0.5]
    assert submit(command, "a.ply", "-t", "cup", "--threshold", "0.3")["threshold"] == 0.3


@pytest.mark.parametrize("command", [("objects", "--multiview"), ("bodies",)])
def test_camera_poses_are_read_from_a_file(command: tuple[str, ...]) -> None:
    assert submit(*command, "a.ply", "--world-from-cam", "poses.json")["world_from_cam"] == [POSE]


@pytest.mark.parametrize(
    "content", ["{}", "[1]", "[[1, 2, 3, 4]]", "[[[1], [2], [3], [4]]]", "[[1, 0, 0]]", "-"]
)
def test_a_file_without_camera_poses_is_refused(content: str) -> None:
    Path("poses.json").write_text(content)
    outcome = CliRunner().invoke(app, ["objects", "a.ply", "--multiview", "--world-from-cam", "poses.json"])
    assert outcome.exit_code == 2 and "poses.json" in outcome.output
