"""A worker that cannot start ends, so that whoever tends it sees it; it never swallows jobs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import Stack, free_port

pytestmark = pytest.mark.slow

COMMAND = ["-m", "celery", "-A", "workers.main", "worker", "--concurrency", "1", "--without-mingle"]


def test_a_worker_with_an_unknown_suite_ends(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port())
    try:
        broker = stack.start_queue()
        environment = {
            **os.environ,
            "MAQUETTE_BROKER_URL": broker,
            "MAQUETTE_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
            "MAQUETTE_ARTEFACTS": str(tmp_path / "artefacts"),
            "MAQUETTE_WORKER_ENGINES": "nonsense",
        }
        completed = subprocess.run(
            [sys.executable, *COMMAND], env=environment, capture_output=True, text=True, timeout=60
        )
    finally:
        stack.stop()
    assert "no engine suite is called 'nonsense'" in completed.stderr + completed.stdout
