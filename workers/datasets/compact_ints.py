"""Sequences of whole numbers in little memory, as the frames and times of the clips of hundreds of hours."""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

# from the narrowest
TYPES = ("<i1", "<i2", "<i4", "<i8")


@dataclass(frozen=True, slots=True, eq=False)
class CompactInts(Sequence[int]):
    """Whole numbers of 64 bits, unpacked whenever they are read.

    Evenly spaced numbers are a range and take the same memory however many they are. Of others `start`,
    the first step and, compressed, the change from each step to the next are kept: the times of a constant
    rate repeat a short pattern, those of a variable one change little.
    """

    even: range | None
    start: int = 0
    step: int = 0
    length: int = 0
    changes: bytes = b""
    type: str = TYPES[0]

    @classmethod
    def pack(cls, values: Iterable[int]) -> "CompactInts":
        """The numbers in their order."""
        array = np.fromiter(values, np.int64)
        steps = np.diff(array)
        if not len(array):
            return cls(range(0))
        start, step = int(array[0]), int(steps[0]) if len(steps) else 1
        if step and (steps == step).all():
            return cls(range(start, start + step * len(array), step))
        changes = np.diff(steps)
        kind = next(kind for kind in TYPES if np.array_equal(changes.astype(kind), changes))
        return cls(None, start, step, len(array), zlib.compress(changes.astype(kind).tobytes()), kind)

    def array(self) -> NDArray[np.int64]:
        """The numbers (N,)."""
        if self.even is not None:
            return np.array(self.even, np.int64)
        changes = np.frombuffer(zlib.decompress(self.changes), self.type).astype(np.int64)
        steps = np.cumsum(np.concatenate([[self.step], changes]))
        return np.asarray(np.cumsum(np.concatenate([[self.start], steps])), np.int64)

    def as_json(self) -> list[Any]:
        """For a message to another worker."""
        if self.even is not None:
            return [self.even.start, self.even.stop, self.even.step]
        return [self.start, self.step, self.length, base64.b64encode(self.changes).decode(), self.type]

    @classmethod
    def from_json(cls, content: Sequence[Any]) -> "CompactInts":
        """What `as_json` returned."""
        if len(content) == 3:
            return cls(range(*content))
        start, step, count, changes, kind = content
        return cls(None, start, step, count, base64.b64decode(changes), kind)

    def __len__(self) -> int:
        return self.length if self.even is None else len(self.even)

    def __iter__(self) -> Iterator[int]:
        return iter(self.array().tolist() if self.even is None else self.even)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        values: Sequence[int] = self.array().tolist() if self.even is None else self.even
        return values[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((len(self), self[0] if len(self) else None))
