"""Normalisation of slots: fields of zero mean and unit variance, rotated so that no number is constant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from workers.datasets.exporters.cjepa.slot_vectors import LOCATIONS, WIDTH

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
# symmetric and its own inverse. Many fields never change in some data sets (the corners of the mask of a
# ball, the 3D boxes where there are none); a sum of all fields does
ROTATION: Doubles = hadamard(WIDTH) / np.sqrt(WIDTH)
# a field that varies by less is constant but for rounding
LEAST_SCALE = 1e-6


# share of the variance that a field has, over that of a field that is not listed. What moves counts most: of
# striped balls that move by a tenth of their size per frame, a linear predictor from two frames has 0.17 of
# the error of copying, and 0.79 with equal shares, because masks and velocities change by whole pixels
WEIGHTS = {"position": 16.0, "box": 4.0, "center": 4.0, "colors": 0.5, "mask": 0.25, "velocity": 0.05}


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and scale of every number of a slot, (128,)."""

    mean: Doubles
    scale: Doubles

    def apply(self, slots: Floats) -> Floats:
        """Slots (..., 128) as they are exported: normalised, unknown ones at the mean, rotated."""
        values = np.nan_to_num((slots - self.mean) / self.scale, nan=0.0)
        return np.asarray(values @ ROTATION, np.float32)


class SlotStatistics:
    """Sums over the slots of many clips."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = np.zeros(WIDTH), np.zeros(WIDTH), np.zeros(WIDTH)

    def add(self, slots: Floats) -> None:
        """Count slots (..., 128); NaN does not count."""
        values = slots.reshape(-1, WIDTH).astype(np.float64)
        known = np.isfinite(values)
        self._count += known.sum(axis=0)
        values = np.where(known, values, 0)
        self._sum += values.sum(axis=0)
        self._squares += (values**2).sum(axis=0)

    def compute(self) -> Normalisation:
        """The mean of every number, and one scale for each field.

        A field that varies has the variance that `WEIGHTS` gives it, however many numbers it has. The mean
        variance of all numbers is 1.
        """
        count = np.maximum(self._count, 1)
        mean = self._sum / count
        variance = np.maximum(self._squares / count - mean**2, 0)
        deviations = {name: float(np.sqrt(variance[place].sum())) for name, place in LOCATIONS.items()}
        varying = [name for name, deviation in deviations.items() if deviation > LEAST_SCALE]
        total = sum(WEIGHTS.get(name, 1.0) for name in varying)
        scale = np.ones(WIDTH)
        for name in varying:
            scale[LOCATIONS[name]] = deviations[name] * np.sqrt(total / (WEIGHTS.get(name, 1.0) * WIDTH))
        return Normalisation(mean, scale)
