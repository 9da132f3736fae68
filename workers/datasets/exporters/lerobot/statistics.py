"""Statistics of the features of a LeRobot dataset: of single episodes, and of all of them."""

import math
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
LEVELS = np.arange(256) / 255
# bytes of a feature that stay in memory before there is a file
IN_MEMORY = 1 << 20
# rows that are read together
BLOCK = 1 << 16


class PixelStatistics:
    """Counts of the levels of each channel, from which the statistics of pixels in [0, 1] follow exactly."""

    def __init__(self, counts: NDArray[np.int64] | None = None, images: int = 0) -> None:
        self.counts = np.zeros((3, len(LEVELS)), np.int64) if counts is None else counts
        self.images = images

    def add(self, images: Iterable[NDArray[np.uint8]]) -> None:
        """Count the pixels of RGB images (H, W, 3)."""
        for image in images:
            for channel, counts in enumerate(self.counts):
                counts += np.bincount(image[..., channel].ravel(), minlength=len(LEVELS))
            self.images += 1

    def merge(self, other: "PixelStatistics") -> None:
        """Count what another one has counted too."""
        self.counts += other.counts
        self.images += other.images

    def to_json(self) -> dict[str, Any]:
        """As LeRobot writes them, with one number per channel."""
        total = self.counts.sum(axis=1)
        mean = self.counts @ LEVELS / total
        std = np.sqrt(np.maximum(self.counts @ LEVELS**2 / total - mean**2, 0))
        shares = self.counts.cumsum(axis=1) / total[:, None]
        named = {
            "min": LEVELS[(self.counts > 0).argmax(axis=1)],
            "max": LEVELS[len(LEVELS) - 1 - (self.counts[:, ::-1] > 0).argmax(axis=1)],
            "mean": mean,
            "std": std,
            **{name: LEVELS[(shares >= share).argmax(axis=1)] for name, share in QUANTILES.items()},
        }
        return {name: value.reshape(3, 1, 1).tolist() for name, value in named.items()} | {
            "count": [self.images]
        }


class ColumnStatistics:
    """The values of the numeric features, of which one column is in memory when statistics are taken."""

    def __init__(self) -> None:
        self._features: dict[str, _Rows] = {}

    def add(self, name: str, values: NDArray[Any], known: NDArray[np.bool_] | None = None) -> None:
        """Count rows (T,) or (T, A) of a feature; those that are not known do not count."""
        rows = values.reshape(len(values), math.prod(values.shape[1:]))
        feature = self._features.setdefault(name, _Rows(rows.dtype, rows.shape[1]))
        feature.append(rows if known is None else rows[known])

    def to_json(self) -> dict[str, Any]:
        """As LeRobot writes them, by feature; zeros with a count of 0 for one that is never known."""
        return {name: _summarise(rows) for name, rows in self._features.items()}


class _Rows:
    """Rows (N, width) of one feature, in a temporary file where they are many."""

    def __init__(self, dtype: np.dtype[Any], width: int) -> None:
        self._dtype, self._width, self._count = dtype, width, 0
        # closed with the rows
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (T, width)."""
        self._file.write(np.ascontiguousarray(rows).tobytes())
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def columns(self) -> Iterator[NDArray[np.float64]]:
        """The values (N,) of each column; a single zero where there are no rows."""
        size, count = BLOCK * self._width * self._dtype.itemsize, self._count
        for column in range(self._width):
            values = np.zeros(max(1, count), np.float64)
            self._file.seek(0)
            for start in range(0, count, BLOCK):
                block = np.frombuffer(self._file.read(size), self._dtype).reshape(-1, self._width)
                values[start : start + len(block)] = block[:, column]
            yield values


def _summarise(rows: _Rows) -> dict[str, Any]:
    # LeRobot's reader expects every statistic of every feature in every episode
    columns = [
        {
            "min": values.min(),
            "max": values.max(),
            "mean": values.mean(),
            "std": values.std(),
            **dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values())), strict=True)),
        }
        for values in rows.columns()
    ]
    named = {name: [float(column[name]) for column in columns] for name in columns[0]}
    return named | {"count": [len(rows)]}
