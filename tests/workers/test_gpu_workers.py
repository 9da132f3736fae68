"""One worker for each GPU: it sees no other, is started again when it ends, and stops with the rest."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
