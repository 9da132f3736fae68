"""A child's checks that upstream can be loaded; each failure is a ChildError with a stable code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    """Raise ChildError `no_gpu` unless torch, which the child imports from its own environment, sees one."""
    if not torch.cuda.is_available():
        raise ChildError("no_gpu", "upstream runs on CUDA alone, and torch sees no GPU")
