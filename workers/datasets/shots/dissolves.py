"""Dissolves: spans of frames that go evenly from one picture to another, told in one pass.

Frame t of a dissolve is (1 - a) A + a B. With A and B alike in nothing, its contrast dips to
(1 - a)^2 |A|^2 + a^2 |B|^2 + 2 a (1 - a) A.B on the way (Alattar 1993; Lienhart 1999). What moves keeps its
contrast, so this holds for shots that go on moving, and not for pans, flashes or changes of light.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# frames from one end to the other of the spans that are looked at
SPANS = (10, 14, 20, 28, 40, 56)
LOOKBACK = SPANS[-1]
WIDTH, HEIGHT = 24, 12
# chosen on drawn films of other pictures than those the bench tells of (docs/adr/0007)
ALIKE = 0.4
LEAST_CONTRAST = 16.0
EXPLAINED = 0.45
LOWEST, LOW, HIGH, HIGHEST = 0.6, 0.75, 1.25, 1.35
DIP = 0.8
QUARTER_LOW, QUARTER_HIGH = 0.5, 1.6
# of the fine detail that a mixture has; a focus pull goes through less
FINE = 0.4
SHARES = ((-0.1, 0.45), (0.3, 0.7), (0.55, 1.1))
# spans one after the other, of one length, that have to agree
LASTING = 3
# frames between two ends of spans of one dissolve
APART = 6


class DissolveDetector:
    """Takes every frame of a video in order; keeps as many as the longest span has, 24 x 12 pixels each."""

    def __init__(self) -> None:
        size = LOOKBACK + 1
        self._fine = np.zeros((size, 4, WIDTH * HEIGHT // 4))
        self._means = np.zeros((size, 4))
        self._sharpness = np.zeros(size)
        # products of each frame with those before it: of the whole, then of the quarters
        self._products = np.zeros((size, size, 5))
        self._count = 0

    def step(self, luma: NDArray[np.uint8], sharpness: float) -> int:
        """Bit k is set when the span of SPANS[k] frames that ends with this one looks like a dissolve.

        `sharpness` is the variance of the Laplacian of `luma`.
        """
        now = self._count % (LOOKBACK + 1)
        self._sharpness[now] = sharpness
        small = cv2.resize(luma, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float64)
        small -= small.mean()
        halves = small.reshape(2, HEIGHT // 2, 2, WIDTH // 2).transpose(0, 2, 1, 3).reshape(4, -1)
        self._means[now] = halves.mean(axis=1)
        self._fine[now] = halves - self._means[now][:, None]
        quarters = np.einsum("kqd,qd->kq", self._fine, self._fine[now]) / halves.shape[1]
        self._products[now, :, 0] = (quarters + self._means * self._means[now]).mean(axis=1)
        self._products[now, :, 1:] = quarters
        self._count += 1
        return sum(1 << k for k, span in enumerate(SPANS) if span < self._count and self._mixed(span))

    def _mixed(self, span: int) -> bool:
        last = self._count - 1
        first = last - span
        aa, bb, ab = self._of(first, first)[0], self._of(last, last)[0], self._of(last, first)[0]
        if min(aa, bb) < LEAST_CONTRAST or ab >= ALIKE * np.sqrt(aa * bb):
            return False
        det = aa * bb - ab * ab
        if det <= 1e-3 * aa * bb:
            return False
        middle = first + span // 2
        contrasts = []
        share = 0.0
        for frame, (low, high) in zip((first + span // 4, middle, last - span // 4), SHARES, strict=True):
            own = self._of(frame, frame)[0]
            ma, mb = self._of(frame, first)[0], self._of(last, frame)[0]
            a, b = (ma * bb - mb * ab) / det, (mb * aa - ma * ab) / det
            if a + b <= 0.05 or not low < b / (a + b) < high:
                return False
            inside = min(max(b / (a + b), 0.0), 1.0)
            contrasts.append(own / max(float(_blended(aa, bb, ab, inside)), 1e-6))
            if frame == middle:
                if a * ma + b * mb <= EXPLAINED * own or own >= DIP * (aa + bb) / 2:
                    return False
                share = inside
        if not LOW < contrasts[1] < HIGH or min(contrasts) <= LOWEST or max(contrasts) >= HIGHEST:
            return False
        fine = [float(self._sharpness[frame % (LOOKBACK + 1)]) for frame in (first, middle, last)]
        if fine[1] < FINE * ((1 - share) ** 2 * fine[0] + share**2 * fine[2]):
            return False
        # a thing that passes covers one part after the other; a dissolve is everywhere at once
        ends = (self._of(first, first)[1:], self._of(last, last)[1:], self._of(last, first)[1:])
        told = (self._of(middle, middle)[1:] + 4) / (np.maximum(_blended(*ends, share), 0) + 4)
        return bool(told.min() > QUARTER_LOW and told.max() < QUARTER_HIGH)

    def _of(self, later: int, earlier: int) -> Floats:
        size = LOOKBACK + 1
        return np.asarray(self._products[later % size, earlier % size])


def _blended(aa: Floats, bb: Floats, ab: Floats, share: float) -> Floats:
    """The contrast of two pictures of which the second has a share."""
    return np.asarray((1 - share) ** 2 * aa + share**2 * bb + 2 * share * (1 - share) * ab)


def find_dissolves(mixes: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The first and last frame of each dissolve, inclusive, from what `Mixes` told of every frame."""
    votes: dict[int, list[int]] = {}
    for k, span in enumerate(SPANS):
        ends = np.flatnonzero(mixes >> k & 1)
        for run in np.split(ends, np.flatnonzero(np.diff(ends) > 1) + 1):
            if len(run) >= LASTING:
                for end in run:
                    votes.setdefault(int(end) - span // 2, []).append(span)
    found: list[tuple[int, int]] = []
    group: list[int] = []
    for centre in [*sorted(votes), None]:
        if group and (centre is None or centre - group[-1] > APART):
            found.append(_extent(group, votes))
            group = []
        if centre is not None:
            group.append(centre)
    return found


def _extent(centres: list[int], votes: dict[int, list[int]]) -> tuple[int, int]:
    spans = [span for centre in centres for span in votes[centre]]
    middle = sum(centre * len(votes[centre]) for centre in centres) / len(spans)
    # short spans fit inside a dissolve, long ones reach beyond it
    half = float(np.sqrt(min(spans) * max(spans))) / 2
    return round(middle - half), round(middle + half)
