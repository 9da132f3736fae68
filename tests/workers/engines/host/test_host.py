"""A hosted engine answers, or fails with a typed error, and never leaves a process behind."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.fake_gpu_memory import GIB
from tests.support.paths import REPOSITORY
from workers.engines.gpu_memory import MemoryMonitor
from workers.engines.host import host as host_module
from workers.engines.host.arrays import pack, unpack
from workers.engines.host.errors import ArraysGarbled, HostCrashed, HostRefused, HostTimeout
from workers.engines.host.host import EngineHost, HostSpec

SPEC = HostSpec(
    "fake", "tests.support.fake_hosted_engine", sys.executable, request_seconds=20, load_seconds=20
)


@pytest.fixture(scope="module")
def host() -> Iterator[EngineHost]:
    with EngineHost(SPEC) as running:
        yield running


def read_pid(host: EngineHost) -> int:
    pid = host.start().fields["pid"]
    assert isinstance(pid, int) and pid == host.pid
    return pid


def gone(pid: int) -> bool:
    """Whether a process neither runs nor waits to be reaped by us."""
    for _ in range(300):
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE and process.ppid() != os.getpid():
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_arrays_round_trip(host: EngineHost) -> None:
    sent = {
        "image": np.arange(600, dtype=np.uint8).reshape(10, 20, 3)[:, ::2],
        "mask": np.eye(5, dtype=np.bool_),
        "points": np.array([[np.nan, np.inf, -0.0]], dtype=np.float32),
        "nothing": np.zeros((0, 4)),
        "one": np.array(7, dtype=np.int64),
    }
    reply = host.ask({"op": "echo", "say": "naïve ✓"}, sent)
    assert reply.fields == {"said": "naïve ✓"}
    assert list(reply.arrays) == list(sent)
    for name, array in sent.items():
        assert reply.arrays[name].dtype == array.dtype and reply.arrays[name].shape == array.shape
        np.testing.assert_array_equal(reply.arrays[name], array)


def test_the_engine_is_loaded_once(host: EngineHost) -> None:
    pid = read_pid(host)
    for _ in range(3):
        host.ask({"op": "echo", "say": ""}, {"big": np.zeros(3_000_000, np.uint8)})
    assert read_pid(host) == pid


def test_the_child_inherits_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_SECRET", "s3cret")
    with EngineHost(SPEC) as host:
        assert host.start().fields["secret"] is None


def test_the_childs_own_packages_come_before_ours(tmp_path: Path) -> None:
    with EngineHost(replace(SPEC, pythonpath=(str(tmp_path),))) as host:
        path = host.start().fields["path"]
    root = str(REPOSITORY)
    assert path[0] == str(tmp_path) and path[-1] == root and "" not in path


@pytest.mark.slow
def test_a_timeout_kills_the_process_group(tmp_path: Path) -> None:
    with EngineHost(SPEC) as host:
        pid = read_pid(host)
        note = tmp_path / "grandchild"
        with pytest.raises(HostTimeout, match=r"1 s"):
            host.ask({"op": "sleep", "tell": str(note)}, {}, seconds=1)
        assert gone(pid) and gone(int(note.read_text()))
        assert host.ask({"op": "echo", "say": "again"}, {}).fields == {"said": "again"}
        assert host.pid != pid


def test_loading_has_its_own_timeout() -> None:
    with EngineHost(replace(SPEC, config={"sleep": 30}, load_seconds=0.5)) as host:
        with pytest.raises(HostTimeout):
            host.start()
        assert host.pid is None


def test_after_a_crash_the_next_request_is_served_by_a_fresh_child() -> None:
    with EngineHost(SPEC) as host:
        pid = read_pid(host)
        with pytest.raises(HostCrashed, match=r"about to die"):
            host.ask({"op": "die"}, {})
        assert gone(pid) and host.pid is None
        assert host.ask({"op": "echo", "say": "hello"}, {}).fields == {"said": "hello"}


def test_a_child_killed_between_requests_is_replaced() -> None:
    with EngineHost(SPEC) as host:
        pid = read_pid(host)
        os.kill(pid, 9)
        time.sleep(0.2)
        assert host.ask({"op": "echo", "say": "hello"}, {}).fields == {"said": "hello"}
        assert host.pid != pid and gone(pid)


def test_errors_of_the_engine_keep_their_code_and_the_child(host: EngineHost) -> None:
    pid = read_pid(host)
    with pytest.raises(HostRefused, match=r"one at a time") as refused:
        host.ask({"op": "refuse"}, {})
    assert (refused.value.code, refused.value.fatal) == ("too_many", False)
    with pytest.raises(HostRefused, match=r"ValueError: no such thing") as failed:
        host.ask({"op": "fail"}, {})
    assert failed.value.code == "engine_failed" and host.pid == pid


def test_a_cuda_error_replaces_the_child() -> None:
    with EngineHost(SPEC) as host:
        pid = read_pid(host)
        with pytest.raises(HostRefused) as refused:
            host.ask({"op": "cuda"}, {})
        assert refused.value.fatal and host.pid is None and gone(pid)
        assert read_pid(host) != pid


def test_the_child_is_recycled_after_enough_requests() -> None:
    with EngineHost(replace(SPEC, requests_before_recycle=2)) as host:
        pids = []
        for _ in range(4):
            pids.append(read_pid(host))
            host.ask({"op": "echo", "say": ""}, {})
        assert pids[0] == pids[1] != pids[2] == pids[3]
        assert gone(pids[0])


def test_a_failed_load_reports_its_code_and_leaves_no_child() -> None:
    with EngineHost(replace(SPEC, config={"refuse": True})) as host:
        with pytest.raises(HostRefused, match=r"they are gated") as refused:
            host.start()
        assert refused.value.code == "no_weights" and host.pid is None


def test_a_missing_interpreter_is_reported() -> None:
    with (
        EngineHost(replace(SPEC, python="/nowhere/python")) as host,
        pytest.raises(HostCrashed, match=r"cannot be run"),
    ):
        host.start()


def test_closing_leaves_no_zombie() -> None:
    host = EngineHost(SPEC)
    pid = read_pid(host)
    host.close()
    host.close()
    assert not psutil.pid_exists(pid)


def test_unsupported_dtypes_and_short_payloads_are_refused() -> None:
    with pytest.raises(ArraysGarbled):
        pack({"a": np.array([{}], dtype=object)})
    stated, payload = pack({"a": np.ones((2, 3))})
    for body in (payload[:-1], payload + b"x"):
        with pytest.raises(ArraysGarbled):
            unpack(stated, body)
    with pytest.raises(ArraysGarbled):
        unpack([{"name": "a", "dtype": "object", "shape": [1]}], b"12345678")


def test_a_child_tells_its_gpu_memory_with_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = MemoryMonitor()
    monkeypatch.setattr(host_module, "MONITOR", monitor)
    with EngineHost(SPEC) as host, monitor.job() as peaks:
        host.ask({"op": "echo", "say": ""}, {})
        assert monitor.report() == []
        for fails in (False, True):
            with monitor.job() as each, pytest.raises(HostRefused) if fails else nullcontext():
                host.ask({"op": "gpu", "fails": fails}, {})
            assert each == {"fake": 6 * GIB}
        known = {"process": "fake", "allocated": 2 * GIB, "reserved": 6 * GIB, "peak": 6 * GIB}
        assert monitor.report() == [known]
        # since the last answer nothing was computed
        host.ask({"op": "echo", "say": ""}, {})
        assert monitor.report() == [known | {"peak": 2 * GIB}]
        with pytest.raises(HostCrashed):
            host.ask({"op": "die"}, {})
        assert monitor.report() == []
    assert peaks == {"fake": 6 * GIB}
