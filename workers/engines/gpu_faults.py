"""What went wrong on a GPU: too little memory, or an error after which the process can no longer use it.

torch is not imported here: workers without it ask too.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

from workers.engines.host.errors import HostError, HostRefused

OUT_OF_MEMORY = "out_of_memory"
# torch.OutOfMemoryError (once torch.cuda.OutOfMemoryError), numba's and CuPy's
_OUT_OF_MEMORY_NAMES = frozenset({"OutOfMemoryError", "MemoryError", "CudaOutOfMemory"})
_OUT_OF_MEMORY = re.compile(
    r"(CUDA|HIP)\b.*\bout of memory|CU(BLAS|DNN|FFT|SOLVER)_STATUS_ALLOC_FAILED"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation",
    re.IGNORECASE | re.DOTALL,
)
# of these CUDA keeps the error: every later call in the process fails too
_DEVICE_LOST = re.compile(
    r"(CUDA|HIP) (driver )?error|device-side assert|illegal memory access|CUDA_ERROR_|cudaError"
    r"|CU(BLAS|SOLVER|SPARSE)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED|MAPPING_ERROR)"
    r"|CUDNN_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
_DEVICE_LOST_NAMES = frozenset({"AcceleratorError", "CudaAPIError", "CUDARuntimeError"})


class DeviceLost(RuntimeError):
    """The GPU cannot be used by this process any longer: it has to end, and another has to take its place."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that the GPU's or the machine's memory did not suffice."""
    return any(_is_out_of_memory(each) for each in _list_causes(error))


def is_device_lost(error: BaseException) -> bool:
    """Whether an error, or what caused it, leaves this process without its GPU.

    The error of an engine's child is not: the host has replaced that process.
    """
    causes = list(_list_causes(error))
    if any(isinstance(each, HostError) for each in causes):
        return False
    return any(_is_device_lost(each) for each in causes)


def is_child_lost(error: BaseException) -> bool:
    """Whether an engine's child was replaced because of its GPU: its request may succeed elsewhere."""
    return any(
        isinstance(each, HostRefused) and each.fatal and _DEVICE_LOST.search(str(each)) is not None
        for each in _list_causes(error)
        if not _is_out_of_memory(each)
    )


def release_memory() -> None:
    """Return what torch keeps for later to the GPU; nothing where this process has not imported torch."""
    if torch := _find_torch_on_gpu():
        torch.cuda.empty_cache()


def measure_memory() -> dict[str, int] | None:
    """Bytes of GPU memory in use by torch in this process: `allocated` and `reserved` now, and `peak`.

    `peak` is the most that was allocated since the last call. Several GPUs are added up. None where torch
    uses no GPU, or cannot say because it has lost it.
    """
    torch = _find_torch_on_gpu()
    if torch is None:
        return None
    cuda = torch.cuda
    readers = {
        "allocated": cuda.memory_allocated,
        "reserved": cuda.memory_reserved,
        "peak": cuda.max_memory_allocated,
    }
    try:
        devices = range(cuda.device_count())
        measured = {state: sum(int(read(index)) for index in devices) for state, read in readers.items()}
        for index in devices:
            cuda.reset_peak_memory_stats(index)
    except RuntimeError:
        return None
    return measured


def synchronize() -> None:
    """Wait for the GPU, so that an error of its kernels is raised here; nothing where torch uses none."""
    if torch := _find_torch_on_gpu():
        torch.cuda.synchronize()


def probe_device() -> None:
    """Run a kernel on every GPU that this process uses, and read its result; raises DeviceLost.

    Nothing happens where torch is not imported or has not touched a GPU: a probe must not start a context.
    """
    torch = _find_torch_on_gpu()
    if torch is None:
        return
    for index in range(torch.cuda.device_count()):
        if not torch.cuda.memory_reserved(index):
            continue
        try:
            total = float(torch.arange(8, device=f"cuda:{index}", dtype=torch.float32).sum())
        except RuntimeError as error:
            if is_out_of_memory(error):
                continue
            raise DeviceLost(f"cuda:{index} runs no kernel any longer: {error}") from error
        if total != 28.0:
            raise DeviceLost(f"cuda:{index} computes wrongly: the sum of 0 to 7 was {total}")


def _find_torch_on_gpu() -> Any:
    """torch, where this process has imported it and it holds a GPU; else None."""
    torch: Any = sys.modules.get("torch")
    # another thread may be importing it: until that has ended, names are missing
    if torch is None or getattr(getattr(torch, "__spec__", None), "_initializing", False):
        return None
    return torch if torch.cuda.is_initialized() else None


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, HostRefused):
        return error.code == OUT_OF_MEMORY or _OUT_OF_MEMORY.search(str(error)) is not None
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in _OUT_OF_MEMORY_NAMES
        or (isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None)
    )


def _is_device_lost(error: BaseException) -> bool:
    if _is_out_of_memory(error):
        return False
    if type(error).__name__ in _DEVICE_LOST_NAMES or isinstance(error, DeviceLost):
        return True
    return isinstance(error, RuntimeError) and _DEVICE_LOST.search(str(error)) is not None


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
