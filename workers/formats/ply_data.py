"""The data of PLY files in ASCII and in both byte orders: one table of columns per element.

trimesh is not used: it refuses binary files that mix triangles with other polygons, and takes a hundred bytes
of memory for each line of an ASCII file before it looks at the header's counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workers.formats.ply_header import DTYPES, PlyElement, PlyError, PlyHeader

# A name that no property has, because names hold no blanks.
COUNT_PREFIX = "count of "
# Longer lists than any file holds; also infinity and what is not a number are refused by it.
MAX_LIST = 1 << 40


@dataclass(frozen=True, slots=True)
class PlyList:
    """A list property: how many values each record has (N,), and the values of all of them in order."""

    counts: NDArray[np.int64]
    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class PlyTable:
    """The columns of one element by name, in the types of the header, and its lists."""

    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    lists: dict[str, PlyList] = field(default_factory=dict)


def read_tables(data: bytes, header: PlyHeader) -> Iterator[tuple[PlyElement, PlyTable]]:
    """Each element of a PLY with its table, read when it is asked for.

    Counts are checked against the bytes that follow before memory is taken. Raises PlyError.
    """
    reader = _AsciiReader(data, header) if header.byte_order is None else _BinaryReader(data, header)
    for element in header.elements:
        yield element, reader.read(element)


def _ends_early(element: PlyElement) -> PlyError:
    return PlyError(f"the header promises {element.count} of {element.name!r}, the file ends before them")


def _check_length(count: float) -> int:
    if not 0 <= count < MAX_LIST or count != int(count):
        raise PlyError(f"a list cannot have {count} values")
    return int(count)


class _BinaryReader:
    """Reads one element after another from the bytes after the header."""

    def __init__(self, data: bytes, header: PlyHeader) -> None:
        self._data, self._position = data, header.start
        self._order = header.byte_order or "<"

    def read(self, element: PlyElement) -> PlyTable:
        """The table of the next element; records with lists of equal length are read at once."""
        if not element.count:
            return _build_empty(element)
        lengths = self._read_first_lengths(element)
        dtype = self._build_dtype(element, lengths)
        end = self._position + element.count * dtype.itemsize
        table = (
            np.frombuffer(self._data, dtype, element.count, self._position)
            if end <= len(self._data)
            else None
        )
        if table is not None and all((table[COUNT_PREFIX + name] == n).all() for name, n in lengths.items()):
            self._position = end
            counts = {name: np.full(element.count, n, dtype=np.int64) for name, n in lengths.items()}
            return PlyTable(
                {words[1]: table[words[1]] for words in element.properties if words[0] != "list"},
                {name: PlyList(counts[name], table[name].reshape(-1)) for name in lengths},
            )
        if not lengths:
            raise _ends_early(element)
        return self._walk(element)

    def _dtype(self, kind: str) -> np.dtype[Any]:
        return np.dtype(DTYPES[kind]).newbyteorder(self._order)

    def _read_first_lengths(self, element: PlyElement) -> dict[str, int]:
        """How many values each list of the first record has."""
        lengths: dict[str, int] = {}
        offset = self._position
        for words in element.properties:
            kind = self._dtype(words[1] if words[0] == "list" else words[0])
            if words[0] == "list":
                if offset + kind.itemsize > len(self._data):
                    raise _ends_early(element)
                count = _check_length(float(np.frombuffer(self._data, kind, 1, offset)[0]))
                item = self._dtype(words[2]).itemsize
                if count * item > len(self._data) - offset:
                    raise _ends_early(element)
                lengths[words[3]] = count
                offset += count * item
            offset += kind.itemsize
        return lengths

    def _build_dtype(self, element: PlyElement, lengths: dict[str, int]) -> np.dtype[np.void]:
        fields: list[Any] = []
        for words in element.properties:
            if words[0] == "list":
                name = words[3]
                fields.append((COUNT_PREFIX + name, self._dtype(words[1])))
                fields.append((name, self._dtype(words[2]), (lengths[name],)))
            else:
                fields.append((words[1], self._dtype(words[0])))
        return np.dtype(fields)

    def _walk(self, element: PlyElement) -> PlyTable:
        """Records one by one, for lists of differing lengths; columns beside them are left out."""
        kinds = [
            (
                words[3] if words[0] == "list" else None,
                self._dtype(words[1] if words[0] == "list" else words[0]),
                self._dtype(words[2]).itemsize if words[0] == "list" else 0,
            )
            for words in element.properties
        ]
        counts: dict[str, list[int]] = {name: [] for name, _, _ in kinds if name is not None}
        pieces: dict[str, list[bytes]] = {name: [] for name in counts}
        data, offset = self._data, self._position
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        for _ in range(element.count):
            for name, kind, item in kinds:
                after = offset + kind.itemsize
                if after > len(data):
                    raise _ends_early(element)
                if name is not None:
                    if kind.kind == "f":
                        raise PlyError("the length of a list must be an integer")
                    count = int.from_bytes(data[offset:after], order, signed=kind.kind == "i")
                    end = after + _check_length(count) * item
                    if end > len(data):
                        raise _ends_early(element)
                    counts[name].append(count)
                    pieces[name].append(data[after:end])
                    after = end
                offset = after
        self._position = offset
        items = {words[3]: self._dtype(words[2]) for words in element.properties if words[0] == "list"}
        return PlyTable(
            {},
            {
                name: PlyList(
                    np.array(counts[name], dtype=np.int64), np.frombuffer(b"".join(parts), items[name])
                )
                for name, parts in pieces.items()
            },
        )


class _AsciiReader:
    """Reads one element after another from the numbers after the header."""

    def __init__(self, data: bytes, header: PlyHeader) -> None:
        try:
            self._numbers = np.fromstring(data[header.start :].decode("ascii"), sep=" ")
        except ValueError as error:
            raise PlyError(f"the numbers cannot be read: {error}") from error
        self._position = 0

    def read(self, element: PlyElement) -> PlyTable:
        """The table of the next element."""
        if not element.count:
            return _build_empty(element)
        if element.count > len(self._numbers) - self._position:
            raise _ends_early(element)
        if all(words[0] != "list" for words in element.properties):
            width = len(element.properties)
            end = self._position + element.count * width
            if end > len(self._numbers):
                raise _ends_early(element)
            rows = self._numbers[self._position : end].reshape(element.count, width)
            self._position = end
            return PlyTable(
                {
                    words[1]: _cast(rows[:, column], words[0])
                    for column, words in enumerate(element.properties)
                }
            )
        return self._walk(element)

    def _walk(self, element: PlyElement) -> PlyTable:
        names = [words[3] if words[0] == "list" else None for words in element.properties]
        counts: dict[str, list[int]] = {name: [] for name in names if name is not None}
        pieces: dict[str, list[NDArray[np.float64]]] = {name: [] for name in counts}
        numbers, offset = self._numbers, self._position
        for _ in range(element.count):
            for name in names:
                if offset >= len(numbers):
                    raise _ends_early(element)
                if name is not None:
                    count = _check_length(float(numbers[offset]))
                    if offset + count >= len(numbers):
                        raise _ends_early(element)
                    counts[name].append(count)
                    pieces[name].append(numbers[offset + 1 : offset + 1 + count])
                    offset += count
                offset += 1
        self._position = offset
        kinds = {words[3]: words[2] for words in element.properties if words[0] == "list"}
        return PlyTable(
            {},
            {
                name: PlyList(
                    np.array(counts[name], dtype=np.int64), _cast(np.concatenate(parts), kinds[name])
                )
                for name, parts in pieces.items()
            },
        )


def _cast(values: NDArray[np.float64], kind: str) -> NDArray[Any]:
    dtype = np.dtype(DTYPES[kind])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not (np.isfinite(values) & (values >= limits.min) & (values <= limits.max)).all():
            raise PlyError(f"a number does not fit the type {kind}")
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _build_empty(element: PlyElement) -> PlyTable:
    nothing = np.zeros(0)
    return PlyTable(
        {words[1]: nothing for words in element.properties if words[0] != "list"},
        {
            words[3]: PlyList(nothing.astype(np.int64), nothing)
            for words in element.properties
            if words[0] == "list"
        },
    )
