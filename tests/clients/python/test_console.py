"""Foreign text on the terminal: never markup, a link or a control sequence."""

import io
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from maquette import console as module
from maquette.console import PlainConsole, styled
from maquette.contract import Job
from maquette.errors import MaquetteError
from maquette.plain_text import print_line
from maquette.progress import JobProgressBar, JobProgressLines, show_progress
from rich.table import Table

from tests.support.paths import REPOSITORY

TEXTS = [
    "[red]",
    "[/]",
    "[/red] closes nothing",
    "[link=https://evil.example]click[/link]",
    "[bold]a[/bold]",
    "install maquette[arrays]",
    "\\[red]",
    ":smile:",
    "https://example.com/a?b=[c]",
    "{task.description}",
    "%s %(x)s",
    "[@click=app.quit]",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_printed_without_markup(text: str) -> None:
    out = io.StringIO()
    console = PlainConsole(file=out)
    table = Table("column")
    table.add_row(text)
    console.print(text)
    console.print(styled(text, "bold"), text)
    console.print(table)
    assert out.getvalue().count(text) == 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]8;;https://evil.example\x07link", "\\x1b]8;;https://evil.example\\x07link"),
        ("a\rb", "a\\x0db"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\udcff", "\\udcff"),
        ("\0", "\\x00"),
        ("naïve 猫 👍", "naïve 猫 👍"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    out = io.StringIO()
    PlainConsole(file=out).print(text, styled(text, "red"))
    assert out.getvalue() == f"{shown} {shown}\n"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("wrap", [MaquetteError, ValueError, RuntimeError])
def test_errors_end_the_command_with_their_text(
    text: str, wrap: Callable[[str], Exception], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail() -> None:
        raise wrap(text)

    root = import_module("maquette.cli.main")
    monkeypatch.setattr(root, "app", fail)
    with pytest.raises(SystemExit):
        root.main()
    assert f"error: {text}" in capsys.readouterr().err


def test_progress_shows_messages_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    job = {"id": "job_" + "a" * 28, "kind": "track", "state": "running", "engine": "auto"}
    step = {"stage": "track", "message": "[/red] \x1b[31m", "done": 1, "total": 2}
    data = Job.model_validate({**job, "created_at": "2026-01-01T00:00:00Z", "progress": step})
    with JobProgressBar("[bold]title") as bar:
        bar(data)
    assert "[/red] \\x1b[31m" in out.getvalue() and "[bold]title" in out.getvalue()


def test_a_pipe_shows_each_stage_once_and_a_count_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("maquette.progress.monotonic", lambda: clock)
    out = io.StringIO()
    show = JobProgressLines(PlainConsole(file=out))
    job = Job(
        id=f"job_{0:028x}", kind="dataset", state="queued", engine="auto", created_at="2026-01-01T00:00:00Z"
    )
    show(job)
    clock += 11
    show(job)
    for done in range(30):
        clock += 1
        progress = {"stage": "survey" if done < 25 else "clips", "done": done, "total": 30}
        show(Job.model_validate({**job.model_dump(), "state": "running", "progress": progress}))
    show(Job.model_validate({**job.model_dump(), "state": "succeeded"}))
    lines = [line.partition(f"dataset {job.id}: ")[2] for line in out.getvalue().splitlines()]
    assert lines == ["queued", "survey 0/30", "survey 10/30", "survey 20/30", "clips 25/30", "succeeded"]


def test_progress_goes_to_standard_error_and_never_to_a_pipe_as_a_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress() as show:
        show(
            Job(
                id=f"job_{0:028x}",
                kind="track",
                state="cancelled",
                engine="auto",
                created_at="2026-01-01T00:00:00Z",
            )
        )
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.endswith(f"track job_{0:028x}: cancelled\n")


def test_lines_show_control_characters_too(capsys: Any) -> None:
    print_line("[red]\x1b[31m\u202e")
    print_line("a\0b", stderr=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("[red]\\x1b[31m\\u202e\n", "a\\x00b\n")


def test_there_is_one_way_to_print() -> None:
    own = Path(module.__file__)
    sources = [
        path
        for folder in ("clients/python/maquette", "workers", "service", "storage", "scripts")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path != own
    ]
    other_ways = (
        r"\bConsole\(",
        r"\bfrom rich import print",
        r"\bfrom rich\.console import Console",
        r"\[/?(red|bold)\]",
        r"typer\.echo\((f[\"']|str\()",
    )
    pattern = re.compile("|".join(other_ways))
    assert [
        str(path) for path in sources if pattern.search(path.read_text().replace("PlainConsole(", ""))
    ] == []
