"""JSON files whose lists are larger than memory: the same text as of `encode_json`."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

Brackets = Literal["[]", "{}"]


class SpooledItems:
    """The items of a JSON array or object, in a file until the document is written."""

    def __init__(self, file: TextIO, brackets: Brackets = "[]") -> None:
        self.count = 0
        self._file, self._brackets = file, brackets

    def add(self, item: Any, key: str | None = None) -> None:
        """Append an item, with its key to an object; raises ValueError for NaN."""
        name = "" if key is None else f"{json.dumps(key)}: "
        separator = ",\n" if self.count else ""
        self._file.write(separator + name + json.dumps(item, indent=1, allow_nan=False))
        self.count += 1

    def copy_to(self, out: TextIO, depth: int) -> None:
        """Write the items in their brackets, indented for a value at a depth."""
        first, last = self._brackets
        if not self.count:
            out.write(first + last)
            return
        out.write(f"{first}\n")
        self._file.seek(0)
        for line in self._file:
            out.write(" " * (depth + 1) + line)
        out.write(f"\n{' ' * depth}{last}")


@contextmanager
def spool_items(folder: Path, brackets: Brackets = "[]") -> Iterator[SpooledItems]:
    """Items in a file of a folder; it has no name, so that a killed process leaves nothing behind."""
    with tempfile.TemporaryFile("w+", encoding="ascii", newline="\n", dir=folder) as file:
        yield SpooledItems(file, brackets)


def write_json(path: Path, content: Mapping[str, Any] | SpooledItems) -> None:
    """Write an object, some of whose values are spooled, or one that is."""
    with path.open("w", encoding="ascii", newline="\n") as out:
        if isinstance(content, SpooledItems):
            content.copy_to(out, 0)
        else:
            _write_object(out, content)
        out.write("\n")


def _write_object(out: TextIO, content: Mapping[str, Any]) -> None:
    for number, (name, value) in enumerate(content.items()):
        out.write(f"{',' if number else '{'}\n {json.dumps(name)}: ")
        if isinstance(value, SpooledItems):
            value.copy_to(out, 1)
        else:
            out.write(json.dumps(value, indent=1, allow_nan=False).replace("\n", "\n "))
    out.write("\n}" if content else "{}")
