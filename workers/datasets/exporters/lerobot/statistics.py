"""Statistics of the features of a LeRobot dataset."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.shared.typed_parquet import TypedColumn


class PixelStatistics:
    """Minimum, maximum, mean and standard deviation of pixels by channel, in [0, 1]."""

    def __init__(self) -> None:
        self._count = 0
        self._sum, self._sum_of_squares = np.zeros(3), np.zeros(3)
        self._min, self._max = np.ones(3), np.zeros(3)

    def add(self, images: Iterable[NDArray[np.uint8]]) -> None:
        """Count the pixels of RGB images (H, W, 3)."""
        for image in images:
            values = image.reshape(-1, 3) / 255.0
            self._count += len(values)
            self._sum += values.sum(axis=0)
            self._sum_of_squares += (values**2).sum(axis=0)
            self._min = np.minimum(self._min, values.min(axis=0))
            self._max = np.maximum(self._max, values.max(axis=0))

    def to_json(self, frames: int) -> dict[str, Any]:
        """As LeRobot writes them; `frames` is the number of images."""
        mean = self._sum / self._count
        std = np.sqrt(np.maximum(self._sum_of_squares / self._count - mean**2, 0))
        named = {"min": self._min, "max": self._max, "mean": mean, "std": std}
        return {name: value.reshape(3, 1, 1).tolist() for name, value in named.items()} | {"count": [frames]}


def compute_column_statistics(columns: Mapping[str, TypedColumn]) -> dict[str, Any]:
    """Statistics of every column over the rows where it is known; none for a column that never is."""
    statistics: dict[str, Any] = {}
    for name, column in columns.items():
        values = np.array(column.values, np.float64).reshape(len(column.values), -1)
        known = values[np.isfinite(values).all(axis=1)]
        if not len(known):
            continue
        statistics[name] = {
            "min": known.min(axis=0).tolist(),
            "max": known.max(axis=0).tolist(),
            "mean": known.mean(axis=0).tolist(),
            "std": known.std(axis=0).tolist(),
            "count": [len(known)],
        }
    return statistics
