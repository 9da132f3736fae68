"""A worker that cannot start ends, so that whoever tends it sees it; it never swallows jobs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import Stack, free_port
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

COMMAND = ["-m", "celery", "-A", "workers.main", "worker", "--concurrency", "1", "--without-mingle"]


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"MAQUETTE_WORKER_ENGINES": "nonsense"}, "no engine suite is called 'nonsense'"),
        # as a GPU image; its upstream is a FAKE
        (
            {
                "MAQUETTE_WORKER_ENGINES": "sam3d_objects",
                "MAQUETTE_SAM3D_OBJECTS_SOURCE": str(REPOSITORY / "tests/parity/sam3d_objects_fake"),
                "MAQUETTE_REQUIRE_GPU": "true",
                "CUDA_VISIBLE_DEVICES": "",
            },
            "No CUDA GPUs are available",
        ),
    ],
    ids=["unknown suite", "no GPU"],
)
def test_a_worker_that_cannot_start_says_why_and_fails(
    tmp_path: Path, own: dict[str, str], reason: str
) -> None:
    (tmp_path / "pipeline.yaml").write_text("{}")
    stack = Stack(tmp_path, free_port())
    try:
        environment = {
            **os.environ,
            "MAQUETTE_BROKER_URL": stack.start_queue(),
            "MAQUETTE_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
            "MAQUETTE_ARTEFACTS": str(tmp_path / "artefacts"),
            "MAQUETTE_SAM3D_OBJECTS_CONFIG": str(tmp_path / "pipeline.yaml"),
            **own,
        }
        completed = subprocess.run(
            [sys.executable, *COMMAND], env=environment, capture_output=True, text=True, timeout=60
        )
    finally:
        stack.stop()
    assert reason in completed.stderr + completed.stdout
    # after SIGTERM, Celery's own is 0, on which `on-failure` and CI take a worker for one that was stopped
    assert completed.returncode == 1
