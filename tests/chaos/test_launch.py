"""`make up` prints one line for a shell, and leaves no process behind however it ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from maquette import Maquette

from service.embedded import free_port
from tests.support.paths import REPOSITORY


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.up", "--port", str(free_port()), "--data", str(tmp_path / "data")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield process, line
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_and_leaves_no_process_behind(
    launched: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, line = launched
    variables = dict(word.split("=", 1) for word in line.split())
    assert set(variables) == {"MAQUETTE_URL", "MAQUETTE_API_KEY"}
    with Maquette(variables["MAQUETTE_URL"], api_key=variables["MAQUETTE_API_KEY"]) as mq:
        assert any(engine.available for engine in mq.engines())
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 4
    process.send_signal(number)
    process.wait(30)
    gone, alive = psutil.wait_procs(family, timeout=30)
    assert alive == [], [child.cmdline() for child in alive]
    assert len(gone) == len(family)


def test_a_taken_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "scripts.up", "--port", port, "--data", str(tmp_path)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "is taken" in ended.stderr and "Traceback" not in ended.stderr
