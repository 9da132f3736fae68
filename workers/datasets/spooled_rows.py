"""Rows of many clips in a temporary file, of which a block is in memory at a time."""

import json
import sys
import tempfile
import weakref
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar, overload

from workers.datasets.manifest import FileEntry
from workers.datasets.records import LIST_KINDS, ClipRecord
from workers.datasets.schema import list_columns

T = TypeVar("T")
# rows that are written and read together; some 100 kB of JSON
BLOCK = 512
# records of clips, of some 10 kB each
RECORDS_A_BLOCK = 16
# bytes that stay in memory before there is a file: those of a usual job
IN_MEMORY = 1 << 20
# the fastest: rows of neighbouring clips are alike, and even it leaves about a tenth
COMPRESSION = 1


class SpooledRows(Sequence[T], Generic[T]):
    """Rows that are appended, and then read in their order, as often as is wanted, by one thread.

    `dump` makes JSON of a row and `load` an equal row of it; `block` rows are in memory at once. The file has
    no name, so that a killed process leaves nothing behind.
    """

    def __init__(self, dump: Callable[[T], Any], load: Callable[[Any], T], block: int = BLOCK) -> None:
        self._dump, self._load, self._block = dump, load, block
        # closed with the rows
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        # where each block begins, and where the next will
        self._offsets = array("q", [0])
        # the rows after the last block
        self._tail: list[T] = []
        self._read: tuple[int, list[T]] = (-1, [])

    def append(self, row: T) -> None:
        """Add a row at the end."""
        self._tail.append(row)
        if len(self._tail) == self._block:
            content = json.dumps(list(map(self._dump, self._tail)), separators=(",", ":"))
            data = zlib.compress(content.encode(), COMPRESSION)
            self._file.seek(self._offsets[-1])
            self._file.write(data)
            self._offsets.append(self._offsets[-1] + len(data))
            self._tail = []

    def extend(self, rows: Iterable[T]) -> None:
        """Add rows at the end."""
        for row in rows:
            self.append(row)

    def __len__(self) -> int:
        return (len(self._offsets) - 1) * self._block + len(self._tail)

    def __iter__(self) -> Iterator[T]:
        for block in range(len(self._offsets) - 1):
            yield from self._read_block(block)
        yield from self._tail

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self._get(place) for place in places]
        return self._get(places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(own == theirs for own, theirs in zip(self, other, strict=True))

    def _get(self, place: int) -> T:
        block, row = divmod(place, self._block)
        if block == len(self._offsets) - 1:
            return self._tail[row]
        if self._read[0] != block:
            self._read = (block, self._read_block(block))
        return self._read[1][row]

    def _read_block(self, block: int) -> list[T]:
        start, stop = self._offsets[block : block + 2]
        self._file.seek(start)
        return list(map(self._load, json.loads(zlib.decompress(self._file.read(stop - start)))))


def spool_table(row: type[T]) -> SpooledRows[T]:
    """No rows yet of a table's class."""
    columns = list_columns(row)
    names = [column.name for column in columns]
    lists = [place for place, column in enumerate(columns) if column.kind in LIST_KINDS]

    def load(values: list[Any]) -> T:
        for place in lists:
            if values[place] is not None:
                values[place] = tuple(values[place])
        # the same names and units stand in many rows, which may all come to be in memory
        values = [sys.intern(value) if isinstance(value, str) else value for value in values]
        return row(**dict(zip(names, values, strict=True)))

    return SpooledRows(attrgetter(*names), load)


class RowsByClip(Generic[T]):
    """Rows of a table of all clips, to be looked up by the id of a clip; one thread at a time."""

    def __init__(self, row: type[T], rows: Iterable[T]) -> None:
        self._rows = spool_table(row)
        # of each clip the first row and the row after the last, for each run of its rows
        self._runs: dict[str, array[int]] = {}
        last = None
        for place, item in enumerate(rows):
            clip: str = item.clip  # type: ignore[attr-defined]
            runs = self._runs.setdefault(clip, array("q"))
            if clip != last:
                runs.extend((place, place))
            runs[-1] = place + 1
            last = clip
            self._rows.append(item)

    def get(self, clip: str) -> list[T]:
        """The rows of a clip in their order; none for a clip without rows."""
        runs = self._runs.get(clip, ())
        return [
            row for start, stop in zip(runs[::2], runs[1::2], strict=True) for row in self._rows[start:stop]
        ]


def spool_files() -> SpooledRows[FileEntry]:
    """No descriptions of files yet."""
    return SpooledRows(FileEntry.as_json, lambda values: FileEntry(**values))


def spool_records() -> SpooledRows[ClipRecord]:
    """No records of clips yet."""
    return SpooledRows(ClipRecord.as_json, ClipRecord.from_json, RECORDS_A_BLOCK)
