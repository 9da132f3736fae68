"""What a GPU's errors mean: torch's and CUDA's own texts, by the names of their classes."""

import sys
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.engines.gpu_faults import (
    DeviceLost,
    is_child_lost,
    is_device_lost,
    is_out_of_memory,
    measure_memory,
    probe_device,
    release_memory,
    synchronize,
)
from workers.engines.host.errors import HostCrashed, HostRefused


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class AcceleratorError(RuntimeError):
    """Named as torch's."""


MEMORY = [
    MemoryError(),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB"),
    RuntimeError("CUDA error: out of memory"),
    AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    HostRefused("sam3d_objects", "out_of_memory", "the object does not fit", fatal=True),
    HostRefused("sam3d_body", "engine_failed", "OutOfMemoryError: CUDA out of memory. Tried", fatal=True),
]
LOST = [
    AcceleratorError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    DeviceLost("cuda:0"),
]
NEITHER = [
    RuntimeError("shapes (3, 4) and (5, 6) do not match"),
    ValueError("CUDA error: this is not torch's"),
    RuntimeError("a phrase about cuda"),
    HostCrashed("sam3d_objects", "the child ended; last on its stderr: CUDA error: unspecified"),
]


def chain(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as inner:
            raise RuntimeError("the stage failed") from inner
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("wrap", [lambda error: error, chain])
@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_too_little_memory(error: Exception, wrap: object) -> None:
    assert is_out_of_memory(wrap(error))  # type: ignore[operator]
    assert not is_device_lost(wrap(error)) and not is_child_lost(wrap(error))  # type: ignore[operator]


@pytest.mark.parametrize("wrap", [lambda error: error, chain])
@pytest.mark.parametrize("error", LOST, ids=str)
def test_errors_that_stay(error: Exception, wrap: object) -> None:
    assert is_device_lost(wrap(error)) and not is_out_of_memory(wrap(error))  # type: ignore[operator]


@pytest.mark.parametrize("error", NEITHER, ids=str)
def test_errors_of_one_input(error: Exception) -> None:
    assert not is_device_lost(error) and not is_out_of_memory(error) and not is_child_lost(error)


def test_the_error_of_a_child_does_not_end_this_process() -> None:
    error = HostRefused("sam3d_body", "engine_failed", "RuntimeError: CUDA error: misaligned", fatal=True)
    assert is_child_lost(error) and not is_device_lost(error)


def test_a_probe_runs_a_kernel_only_where_a_gpu_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    sums = iter([28.0, 27.0])

    def arange(_count: int, *, device: str, dtype: object) -> SimpleNamespace:
        ran.append(device)
        if len(ran) == 3:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return SimpleNamespace(sum=lambda: next(sums))

    used = {0: 0, 1: 512}
    cuda = SimpleNamespace(
        is_initialized=lambda: True, device_count=lambda: 2, memory_reserved=lambda index: used[index]
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, arange=arange, float32=None))
    probe_device()
    assert ran == ["cuda:1"]
    with pytest.raises(DeviceLost, match="computes wrongly"):
        probe_device()
    with pytest.raises(DeviceLost, match="no kernel"):
        probe_device()
    cuda.is_initialized = lambda: False
    probe_device()
    assert len(ran) == 3


# writes that its import has begun, and goes on when the test says so
SLOW_TORCH = """
import sys
sys.importing.set()
assert sys.may_go_on.wait(20)
class cuda:
    is_initialized = staticmethod(lambda: False)
"""


def test_torch_that_another_thread_is_importing_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module is in sys.modules before its names are there; whoever reports meanwhile must not fail."""
    (tmp_path / "torch.py").write_text(SLOW_TORCH)
    monkeypatch.syspath_prepend(tmp_path)
    # the real one comes back after the test, where it was imported before
    monkeypatch.setitem(sys.modules, "torch", None)
    del sys.modules["torch"]
    importing, may_go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "importing", importing, raising=False)
    monkeypatch.setattr(sys, "may_go_on", may_go_on, raising=False)
    thread = threading.Thread(target=import_module, args=("torch",))
    thread.start()
    try:
        assert importing.wait(20) and "torch" in sys.modules
        assert measure_memory() is None
        for ask in (probe_device, release_memory, synchronize):
            ask()
    finally:
        may_go_on.set()
        thread.join()
    assert measure_memory() is None
