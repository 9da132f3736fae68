"""The command line without a service: help, options and their errors."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from maquette.cli.dataset.app import DatasetGroup
from maquette.cli.lazy_group import LazyGroup, build_command
from maquette.cli.main import RootGroup, app
from maquette.cli.parsing import parse_boxes, parse_exemplars, parse_names, parse_points, parse_thresholds
from maquette.contract import BodiesJob, BodyFormat
from typer.testing import CliRunner

from service.main import ServerGroup
from service.main import app as server_app
from tests.support.documentation import list_code
from tests.support.paths import REPOSITORY
from workers.convert_cli import convert

HEAVY = {
    "numpy",
    "scipy",
    "PIL",
    "cv2",
    "trimesh",
    "av",
    "onnxruntime",
    "httpx",
    "rich",
    "fastapi",
    "celery",
    "sqlalchemy",
}
ROOT: Any = typer.main.get_command(app)
PROGRAMS: dict[str, Any] = {
    "maquette": ROOT,
    "maquette-server": typer.main.get_command(server_app),
    "maquette-convert": build_command("maquette-convert", convert),
}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name in getattr(command, "commands", {}):
        inner = command.load_command(name) if isinstance(command, LazyGroup) else command.commands[name]
        yield from commands(inner, (*path, name))


@pytest.mark.parametrize("group", [RootGroup, DatasetGroup, ServerGroup])
def test_the_summaries_in_lists_are_those_of_the_commands(group: type[LazyGroup]) -> None:
    loaded = group()
    for name, lazy in group.lazy_commands.items():
        summary = " ".join(loaded.load_command(name).help.partition("\n\n")[0].split())
        assert lazy.summary == summary, name


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("maquette.cli", ()),
        ("maquette.cli", ("dataset",)),
        ("maquette.cli", ("segment",)),
        ("service.main", ()),
        ("service.main", ("keys",)),
        ("workers.convert_cli", ()),
    ],
)
def test_help_imports_nothing_heavy(program: str, words: tuple[str, ...]) -> None:
    code = f"""
import atexit, sys
sys.argv = ["program", *{words!r}, "--help"]
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from {program} import main
main()
"""
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert completed.returncode == 0 and "Usage" in completed.stdout
    # typer itself imports pydantic to parse the options of a command
    has_command = words or program == "workers.convert_cli"
    heavy = HEAVY if has_command else HEAVY | {"pydantic"}
    assert not heavy & set(completed.stderr.split())


@pytest.mark.parametrize("path", [path for path, _ in commands(ROOT)], ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0 and "Usage" in result.output


def test_every_option_of_the_client_has_help() -> None:
    # commands of the server's package are not this package's to explain
    silent = [
        (" ".join(path), parameter.name)
        for path, command in commands(ROOT)
        if getattr(command.callback, "__module__", "").startswith("maquette.")
        for parameter in command.params
        if not (getattr(parameter, "help", None) or getattr(parameter, "hidden", False))
    ]
    assert silent == []


def list_unknown_words(line: str) -> Iterator[str]:
    """Commands and options of a command line that its program does not have."""
    words = shlex.split(line, comments=True)
    words = words[: next((place for place, word in enumerate(words) if word in ("|", ">")), len(words))]
    command, rest = PROGRAMS[words[0]], words[1:]
    while rest and hasattr(command, "commands"):
        if isinstance(command, DatasetGroup) and rest[0] not in command.commands:
            rest = ["make", *rest]
        if rest[0] not in command.commands:
            if re.fullmatch("[a-z]+", rest[0]):
                yield rest[0]
            break
        name, rest = rest[0], rest[1:]
        command = command.load_command(name) if isinstance(command, LazyGroup) else command.commands[name]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if re.match("--?[a-z]", word) and word.partition("=")[0] not in known | {"--help"}:
            yield word


def test_commands_of_the_documentation_exist_with_their_options() -> None:
    lines = [(page, text) for page, text in list_code() if text.partition(" ")[0] in PROGRAMS and " " in text]
    assert len(lines) > 40
    assert [(page, line, word) for page, line in lines for word in list_unknown_words(line)] == []


def test_defaults_and_ranges_are_those_of_the_contract() -> None:
    [bodies] = [command for path, command in commands(ROOT) if path == ("bodies",)]
    option = next(parameter for parameter in bodies.params if parameter.name == "max_people")
    assert option.default == BodiesJob.defaults().max_people
    result = CliRunner().invoke(app, ["bodies", "a.png", "--max-people", "999"])
    assert result.exit_code == 2 and "256" in result.output


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", ""])
def test_malformed_boxes_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="a box is x0,y0,x1,y1"):
        parse_boxes([text])


def test_an_exemplar_names_the_image_that_it_is_in(tmp_path: Path) -> None:
    other = tmp_path / "a@b.png"
    other.touch()
    web = "https://example.org/cup.png?size=3@2"
    assert parse_exemplars(["1,2,3,4.5", f"1,2,3,4@{other}", f"1,2,3,4@{web}"]) == [
        [1, 2, 3, 4.5],
        {"box": [1, 2, 3, 4], "image": str(other)},
        {"box": [1, 2, 3, 4], "image": web},
    ]
    for text in ("1,2,3", "1,2,3@", f"@{other}"):
        with pytest.raises(typer.BadParameter, match="an exemplar is x0,y0,x1,y1"):
            parse_exemplars([text])
    for name in ("", "none.png", str(tmp_path)):
        with pytest.raises(typer.BadParameter, match="there is no file"):
            parse_exemplars([f"1,2,3,4@{name}"])


def test_options_are_parsed() -> None:
    assert parse_boxes(["1,2,3,4.5"]) == [[1, 2, 3, 4.5]]
    assert parse_points(["1,2;3,4,0", "5,6"]) == [[[1, 2], [3, 4, 0]], [[5, 6]]]
    assert parse_names("glb, bvh", BodyFormat) == ["glb", "bvh"]
    assert parse_thresholds([0.5], ["a", "b"]) == {"threshold": 0.5}
    assert parse_thresholds([0.5, 0.6], ["a", "b"]) == {"thresholds": [0.5, 0.6]}
    with pytest.raises(typer.BadParameter, match="2 thresholds for 3 phrases"):
        parse_thresholds([0.5, 0.6], ["a", "b", "c"])
    with pytest.raises(typer.BadParameter, match="a format is one of glb"):
        parse_names("fbx", BodyFormat)


def test_the_old_name_of_a_flag_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    monkeypatch.setattr(
        "maquette.cli.dataset.make.execute_plan", lambda *arguments: modes.append(arguments[2])
    )
    result = CliRunner().invoke(app, ["dataset", "a.mp4", "-t", "cup", "--plan"])
    assert result.exit_code == 0 and "--estimate" in result.output
    assert modes[0].estimate
