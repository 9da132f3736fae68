"""`maquette dataset review` takes decisions from options and from files."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from maquette.cli.dataset import review as command
from maquette.cli.main import app
from typer.testing import CliRunner

CSV = """clip,track,verdict,reason,reviewer,at
0f3a9c2e,2,reject,a mirror,Ada,2026-05-04T05:02:01+02:00
77b1,,keep,,,
"""
JSON = [
    {"clip": "0f3a9c2e", "track": 2, "verdict": "reject", "reason": "a mirror"},
    {"clip": "77b1", "verdict": "keep"},
]
Call = Callable[..., tuple[int, str, list[Any]]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command on a folder; gives the status, what it printed, and the reviews that it passed on."""
    given: list[Any] = []
    monkeypatch.setattr(command, "load_server_function", lambda name: lambda *args: given.extend(args[-1]))

    def run(*words: str, out: bool = True) -> tuple[int, str, list[Any]]:
        place = ["--out", str(tmp_path / "out")] if out else []
        result = CliRunner().invoke(app, ["dataset", "review", str(tmp_path), *words, *place])
        return result.exit_code, f"{result.output}{result.exception}", given

    return run


@pytest.mark.parametrize(("name", "text"), [("r.csv", CSV), ("r.json", json.dumps(JSON))])
def test_a_file_has_one_decision_a_row(call: Call, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    status, _, reviews = call("--file", str(tmp_path / name), "--reviewer", "Bob")
    assert status == 0
    facts = [(item.clip, item.track, item.verdict, item.reason) for item in reviews]
    assert facts == [("0f3a9c2e", 2, "reject", "a mirror"), ("77b1", None, "keep", None)]
    assert [item.reviewer for item in reviews] == ["Ada" if name == "r.csv" else "Bob", "Bob"]
    if name == "r.csv":
        assert reviews[0].at == datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_options_name_clips_and_tracks(call: Call) -> None:
    status, _, reviews = call("--reject", "0f3a9c2e/2", "--keep", "77b1", "--reason", "a mirror")
    assert status == 0
    facts = {(item.clip, item.track, item.verdict, item.reason) for item in reviews}
    assert facts == {("0f3a9c2e", 2, "reject", "a mirror"), ("77b1", None, "keep", "a mirror")}
    assert all(item.reviewer and item.at is not None for item in reviews)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --keep"),
        (("--keep", "0f3a/x"), "track"),
        (("--keep", "!!"), "clip"),
        (("--file", "nowhere.csv"), "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Call, words: tuple[str, ...], message: str) -> None:
    status, printed, reviews = call(*words)
    assert status != 0 and message in printed and not reviews
