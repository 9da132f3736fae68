"""The command line against a gateway without workers: a fixture that runs it, and jobs that end by hand."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from maquette import Maquette
from maquette.cli import main
from maquette.cli.context import CliContext
from PIL import Image

from service.state import State
from storage.ledger import leases
from tests.support.cli import Outcome
from tests.support.client_sleep import replace_sleep
from tests.support.ledger_files import add_artefact

Run = Callable[..., Outcome]


@pytest.fixture
def run(
    gateway: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run `maquette`; Ctrl-C is pressed as soon as it waits."""
    key = str(gateway.headers["Authorization"]).removeprefix("Bearer ")

    def client(_context: CliContext) -> Maquette:
        return Maquette("http://gateway", api_key=key, join_running=True, transport=gateway._transport)

    def press_ctrl_c(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CliContext, "client", client)
    replace_sleep(monkeypatch, "maquette._sync.jobs", press_ctrl_c)
    monkeypatch.chdir(tmp_path)
    for name, color in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (40, 30), color).save(tmp_path / name)

    def run_main(*words: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["maquette", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run_main


def list_jobs(gateway: TestClient) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = gateway.get("/v1/jobs").json()["jobs"]
    return listed


SEGMENTS: dict[str, Any] = {"kind": "segment", "width": 40, "height": 30, "instances": []}


def finish_job(
    state: State,
    tenant: str,
    job_id: str,
    contents: dict[str, bytes | None],
    result: dict[str, Any] = SEGMENTS,
) -> None:
    """End a job with files; those without content are in the ledger, but their bytes are lost."""
    artefacts = []
    for name, content in contents.items():
        sha256 = hashlib.sha256(name.encode()).hexdigest() if content is None else state.store.put(content)
        add_artefact(state.db, tenant, sha256, "image/png", len(content or b""))
        artefacts.append(
            {"name": name, "role": "mask", "sha256": sha256, "media_type": "image/png", "bytes": 1}
        )
    manifest = {
        "result": result,
        "artefacts": artefacts,
        "provenance": {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": []},
    }
    claimed = leases.claim(state.db, job_id, "w", 30)
    assert claimed is not None
    assert leases.succeed(state.db, claimed, state.store.put(json.dumps(manifest).encode()))
