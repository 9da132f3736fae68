"""Statistics of the features of a LeRobot dataset: of single episodes, and of all of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
LEVELS = np.arange(256) / 255


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
    """The values of the numeric features, some ten bytes a number, from which their statistics follow."""

    def __init__(self) -> None:
        self._values: dict[str, list[NDArray[Any]]] = {}

    def add(self, name: str, values: NDArray[Any], known: NDArray[np.bool_] | None = None) -> None:
        """Count rows (T,) or (T, A) of a feature; those that are not known do not count."""
        rows = values.reshape(len(values), -1)
        self._values.setdefault(name, []).append(rows if known is None else rows[known])

    def to_json(self) -> dict[str, Any]:
        """As LeRobot writes them, by feature; zeros with a count of 0 for one that is never known."""
        return {name: _summarise(np.concatenate(parts)) for name, parts in self._values.items()}


def _summarise(rows: NDArray[Any]) -> dict[str, Any]:
    # LeRobot's reader expects every statistic of every feature in every episode
    values = rows.astype(np.float64) if len(rows) else np.zeros((1, rows.shape[1]))
    quantiles = np.quantile(values, list(QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
        "count": [len(rows)],
        **{name: quantile.tolist() for name, quantile in zip(QUANTILES, quantiles, strict=True)},
    }
