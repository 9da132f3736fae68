"""JSON text of lists that are larger in memory than as text: their items are made when it is their turn."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class LazyList(list[Any]):
    """A list for `encode_lazily` alone: `make` gives its items, as often as it is called.

    A subclass of list, because that is what the encoder of the standard library takes for an array.
    """

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        super().__init__()
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make())

    def __bool__(self) -> bool:
        return any(True for _ in self)


def encode_lazily(content: Any, *, sort_keys: bool = False) -> bytes:
    """The bytes of `json.dumps(content, indent=1)` and a line end; `content` may hold lazy lists."""
    out = io.BytesIO()
    for chunk in json.JSONEncoder(indent=1, sort_keys=sort_keys).iterencode(content):
        out.write(chunk.encode())
    out.write(b"\n")
    return out.getvalue()
