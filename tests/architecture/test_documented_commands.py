"""Every command of the pages exists, and takes the options that the pages give it."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from maquette.cli.dataset.app import DatasetGroup
from maquette.cli.dataset.server_commands import FOLDER_COMMANDS
from maquette.cli.main import app as client
from typer.core import TyperGroup

from service.main import app as server
from tests.support.documentation import PAGES
from tests.support.paths import REPOSITORY

PROGRAMS = {
    "maquette": typer.main.get_command(client),
    "maquette-server": typer.main.get_command(server),
}
# whole lines of blocks, and code within a line
CODE = re.compile(r"^```[^\n]*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[;&|(]\s*|\bexec \S+ )(maquette(?:-server)?)((?: [^\n;&|)#`]+)+)", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]*)")


def list_commands() -> Iterator[tuple[str, list[str]]]:
    """The page and the words of each command, lines that end in a backslash joined."""
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            # it names commands as they were
            continue
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block, inline in CODE.findall(text):
            for program, rest in COMMAND.findall(block or inline):
                yield page.relative_to(REPOSITORY).as_posix(), [program, *rest.split()]


@cache
def load(group: TyperGroup, name: str) -> Any:
    """A command of a group, None where there is none of that name."""
    lazily = getattr(group, "load_command", None)
    return lazily(name) if lazily else group.commands.get(name)


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, None for one that is not there, and the words after it."""
    command, rest = PROGRAMS[words[0]], words[1:]
    options = {flag for item in command.params for flag in item.opts}
    while isinstance(command, TyperGroup):
        # options of the group itself come before the command, some with a value
        while rest and rest[0].startswith("-") and rest[0].split("=")[0] in options:
            rest = rest[1:] if "=" in rest[0] or rest[0] == "--help" else rest[2:]
        if isinstance(command, DatasetGroup) and (not rest or rest[0] not in command.commands):
            # videos in the place of a command are made into a dataset
            return load(command, "make"), rest
        if not rest or not re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            break
        if rest[0] in FOLDER_COMMANDS:
            # these import everything about datasets, and their own tests use their options
            return command.commands[rest[0]], []
        command, rest = load(command, rest[0]), rest[1:]
    return command, rest


def test_documented_commands_take_their_options() -> None:
    unknown, checked = [], 0
    for page, words in list_commands():
        command, rest = find_command(words)
        checked += 1
        if command is None:
            unknown.append(f"{page}: {' '.join(words)}")
            continue
        known = {"--help"} | {flag for item in command.params for flag in (*item.opts, *item.secondary_opts)}
        asked = {option.split("=")[0] for option in OPTION.findall(" ".join(rest))}
        unknown += [f"{page}: {' '.join(words)}: {option}" for option in sorted(asked - known)]
    assert checked > 50
    assert unknown == []
