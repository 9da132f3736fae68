"""One worker for each GPU: it sees no other, is started again when it ends, and stops with the rest."""

import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from workers import gpu_workers_cli
from workers.gpu_workers_cli import GpuWorker, list_gpus, run_workers

TWO_GPUS = """GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb)
"""
ONE_DIVIDED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)
"""
# writes what it sees, and ends when it is asked to
WORKER = """
import json, os, signal, sys, time
out = open(sys.argv[1], "a")
print(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], os.environ["MAQUETTE_WORKER_ID"], sys.argv[3]]),
      file=out, flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print(json.dumps("stopped"), file=out, flush=True), sys.exit()))
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("listing", "ids"),
    [
        (TWO_GPUS, ["GPU-aaaa", "GPU-bbbb"]),
        (ONE_DIVIDED, ["MIG-1111", "MIG-2222", "GPU-bbbb"]),
        ("No devices found.", []),
    ],
    ids=["whole", "divided", "none"],
)
def test_gpus_and_their_parts_are_found(listing: str, ids: list[str]) -> None:
    assert list_gpus(listing) == ids


def read(file: Path) -> list[object]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_gpu_has_a_worker_until_all_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_workers_cli, "RESTART_SECONDS", 0.0)
    files = [tmp_path / "0", tmp_path / "1"]
    workers = [
        GpuWorker(number, f"GPU-{number}", [sys.executable, "-S", "-c", WORKER, str(file)])
        for number, file in enumerate(files)
    ]
    stop = threading.Event()
    thread = threading.Thread(target=run_workers, args=(workers, stop), kwargs={"poll_seconds": 0.01})
    thread.start()
    wait_for(lambda: all(len(read(file)) == 1 for file in files))
    assert workers[1].process is not None
    workers[1].process.kill()
    wait_for(lambda: len(read(files[1])) == 2)
    stop.set()
    thread.join(30)
    seen = [read(file) for file in files]
    assert [len(lines) for lines in seen] == [2, 3] and all(lines[-1] == "stopped" for lines in seen)
    for number, lines in enumerate(seen):
        device, worker, name = lines[0]  # type: ignore[misc]
        assert device == f"GPU-{number}"
        assert worker.endswith(f"-gpu{number}") and name.startswith(("celery@", "gpu1@")[number])
    assert seen[1][0] == seen[1][1]


def test_a_worker_that_cannot_start_is_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(gpu_workers_cli.time, "monotonic", lambda: clock[0])
    starts: list[float] = []
    worker = GpuWorker(0, "GPU-0", [])

    def start(self: GpuWorker) -> None:
        starts.append(clock[0])
        self.started_at = clock[0]
        self.process = SimpleNamespace(poll=lambda: 1, returncode=1)  # type: ignore[assignment]

    monkeypatch.setattr(GpuWorker, "start", start)
    while len(starts) < 9:
        worker.tend()
        clock[0] += 0.5
    pauses = [after - before for before, after in pairwise(starts)]
    assert pauses == pytest.approx([5, 10, 20, 40, 60, 60, 60, 60], abs=1)
    assert worker.failures == 8 == gpu_workers_cli.MOST_FAILURES
    # one that worked for a day is tried again at once, as its jobs may have ended it
    clock[0] += 86_400
    worker.tend()
    assert worker.failures == 1 and worker.pause_seconds == 5


def test_a_worker_that_runs_again_does_not_count_as_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the end of all others would end the one that works."""
    clock = [1000.0]
    monkeypatch.setattr(gpu_workers_cli.time, "monotonic", lambda: clock[0])
    worker = GpuWorker(0, "GPU-0", [], failures=gpu_workers_cli.MOST_FAILURES)
    worker.process = SimpleNamespace(poll=lambda: None)  # type: ignore[assignment]
    worker.started_at = clock[0]
    worker.tend()
    assert worker.failures == gpu_workers_cli.MOST_FAILURES
    clock[0] += gpu_workers_cli.STEADY_SECONDS
    worker.tend()
    assert worker.failures == 0


def test_the_command_ends_with_status_1_when_no_worker_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gpu_workers_cli, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(gpu_workers_cli, "MOST_FAILURES", 2)
    monkeypatch.setattr(gpu_workers_cli.signal, "signal", lambda *_: None)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho start >>{tmp_path}/starts\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(gpu_workers_cli.sys, "executable", str(program))
    app = typer.Typer()
    app.command()(gpu_workers_cli.gpu_workers)
    with caplog.at_level("INFO"):
        ended = CliRunner().invoke(app, ["--gpus", "0,1", "--queue", "sam3"])
    assert ended.exit_code == 1
    assert "gpu0 with status 7, gpu1 with status 7" in caplog.text
    # each is started again at once after its last end, for which the other one is not waited for
    assert 4 <= len((tmp_path / "starts").read_text().splitlines()) <= 6
    monkeypatch.setenv("PATH", str(tmp_path))
    assert CliRunner().invoke(app, []).exit_code == 1
    assert "nvidia-smi -L shows no GPU" in caplog.text


def test_a_worker_that_keeps_ending_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_workers_cli, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(gpu_workers_cli, "MOST_FAILURES", 2)
    sound = GpuWorker(0, "GPU-0", [sys.executable, "-S", "-c", WORKER, str(tmp_path / "0")])
    broken = GpuWorker(1, "GPU-1", ["false"])
    stop = threading.Event()
    thread = threading.Thread(target=run_workers, args=([sound, broken], stop), kwargs={"poll_seconds": 0.01})
    thread.start()
    wait_for(lambda: broken.failures > 3 and len(read(tmp_path / "0")) == 1)
    assert thread.is_alive() and sound.failures == 0
    stop.set()
    thread.join(30)
    assert read(tmp_path / "0")[1:] == ["stopped"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
