"""Read numbers from what users pass: lists, tuples, arrays of any library, and text."""

from typing import Any

from maquette.contract import FieldError, Problem
from maquette.errors import InvalidRequest

# of an argument that is printed in an error
MOST_CHARACTERS = 80


def read_numbers(value: Any) -> list[float] | None:
    """Return numbers in a row, from text also if they are joined by commas; None for anything else."""
    if isinstance(value, str):
        parts: Any = value.split(",")
    else:
        if isinstance(value, bytes | dict | set | frozenset) or not hasattr(value, "__iter__"):
            return None
        try:
            parts = list(value)
        except TypeError:
            # an array without dimensions
            return None
        if any(isinstance(part, str | bytes) or _is_row(part) for part in parts):
            return None
    try:
        return [float(part) for part in parts]
    except (TypeError, ValueError):
        return None


def read_rows(value: Any, height: int, width: int) -> list[list[float]] | None:
    """Return a matrix of that shape; None for anything else."""
    try:
        rows = [read_numbers(row) for row in value]
    except TypeError:
        return None
    filled = [row for row in rows if row is not None and len(row) == width]
    return filled if len(filled) == len(rows) == height else None


def unfit(name: str, form: str, value: Any) -> InvalidRequest:
    """Return the error for an argument of another form than the client takes."""
    message = f"expected {form}, not {_describe(value)}"
    errors = [FieldError(loc=[name], message=message)]
    return InvalidRequest(Problem.from_code("invalid_request", 422, f"{name}: {message}", errors=errors))


def _is_row(part: Any) -> bool:
    """Whether an item has items itself; an array without dimensions has none."""
    shape = getattr(part, "shape", None)
    return bool(len(shape)) if shape is not None else hasattr(part, "__len__")


def _describe(value: Any) -> str:
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{kind} of shape {tuple(shape)} and type {getattr(value, 'dtype', 'unknown')}"
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{kind} {text[:MOST_CHARACTERS]}..."
