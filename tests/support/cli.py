"""The command line against an embedded stack, in this process: an interpreter takes seconds to start."""

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from unittest.mock import patch

from maquette.cli import main

from service.embedded import Stack


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit status."""

    status: int
    stdout: str
    stderr: str


def run_cli(stack: Stack, *words: str, check: bool = True) -> Outcome:
    """Run `maquette` with some arguments; with `check`, fails unless it succeeds."""
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with (
        patch.dict(os.environ, client_environment(stack)),
        patch.object(sys, "argv", ["maquette", *words]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    outcome = Outcome(status, stdout.getvalue(), stderr.getvalue())
    assert not check or status == 0, outcome.stderr + outcome.stdout
    return outcome


def run_dataset(stack: Stack, *words: str) -> str:
    """Run `maquette --json dataset` with some arguments; returns what it prints."""
    return run_cli(stack, "--json", "dataset", *words).stdout


def client_environment(stack: Stack) -> dict[str, str]:
    """The variables by which the SDK and the command line find a stack."""
    return {"MAQUETTE_URL": stack.url, "MAQUETTE_API_KEY": stack.api_key, "COLUMNS": "160"}
