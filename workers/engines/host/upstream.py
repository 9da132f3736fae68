"""A child's checks that upstream can be loaded; each failure is a ChildError with a stable code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.engines.gpu_support import GpuUnusable, check_gpu
from workers.engines.host.child import ChildError


@contextmanager
def report_missing_package(code: str = "upstream_missing") -> Iterator[None]:
    """Raise ChildError `code` for an ImportError of the block."""
    try:
        yield
    except ImportError as error:
        raise ChildError(code, f"{error.name or error} cannot be imported: {error}") from error


@contextmanager
def report_missing_checkpoint(errors: tuple[type[Exception], ...] = (FileNotFoundError,)) -> Iterator[None]:
    """Raise ChildError `checkpoint_missing` for one of `errors` of the block."""
    try:
        yield
    except errors as error:
        raise ChildError("checkpoint_missing", str(error)) from error


def require_gpu(torch: Any) -> None:
    """Raise ChildError (`no_gpu`, `gpu_unsupported`) unless the child's torch can use a GPU."""
    try:
        check_gpu(torch)
    except GpuUnusable as error:
        raise ChildError(error.code, f"upstream runs on CUDA alone: {error}") from error
