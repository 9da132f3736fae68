"""Dissolves: spans of frames that change evenly from one image to another, found in one pass.

Frame t of a dissolve is (1 - a) A + a B. When A and B have nothing in common, its contrast dips on the way
to (1 - a)^2 |A|^2 + a^2 |B|^2 + 2 a (1 - a) A.B (Alattar 1993; Lienhart 1999). What moves keeps its
contrast, so this holds for shots that go on moving, and not for pans, flashes or changes of light.
"Contrast" is the variance of luma, and products of frames are means over pixels, both in grey levels
squared.

Thresholds were chosen on rendered videos of ten photos and checked on eleven others (docs/adr/0007 has the
figures); one that cost dissolves there, the least contrast, was set back.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# lengths in frames of the spans that are tested, from one end to the other
SPANS = (10, 14, 20, 28, 40, 56)
LOOKBACK = SPANS[-1]
# pixels at which frames are kept
WIDTH, HEIGHT = 24, 12
# correlation of the two ends above which they count as the same shot
ALIKE = 0.4
# contrast that each end has at least
LEAST_CONTRAST = 16.0
# determinant of the mixture's equations, relative to that of unlike ends, below which they cannot be solved
LEAST_DETERMINANT = 1e-3
# sum of the two shares below which a frame is no mixture of the ends
LEAST_MIXTURE = 0.05
# share of the middle frame's contrast that the mixture explains at least
EXPLAINED = 0.45
# of the contrast that a mixture would have: bounds of the frames at a quarter and three quarters, and of
# the middle
LOWEST, HIGHEST = 0.6, 1.35
LOW, HIGH = 0.75, 1.25
# of the mean contrast of the ends: the middle frame's is below it
DIP = 0.8
# bounds of the same ratio in each quarter of the image, and grey levels squared that steady it in flat
# quarters
QUARTER_LOW, QUARTER_HIGH, FLAT = 0.5, 1.6, 4.0
# of the fine detail that a mixture has; a focus pull goes below it
FINE = 0.4
# bounds of the second image's share at a quarter, half and three quarters of the span
SHARES = ((-0.1, 0.45), (0.3, 0.7), (0.55, 1.1))
# spans of one length, one frame after the other, that have to agree
AGREEING = 3
# frames between two middles of spans of one dissolve
APART = 6


class DissolveDetector:
    """Takes every frame of a video in order; keeps as many as the longest span has, at 24 x 12 pixels."""

    def __init__(self) -> None:
        size = LOOKBACK + 1
        self._quarters = np.zeros((size, 4, WIDTH * HEIGHT // 4))
        self._means = np.zeros((size, 4))
        self._sharpness = np.zeros(size)
        # products of each frame with those before it: of the complete image, then of its quarters
        self._products = np.zeros((size, size, 5))
        self._count = 0

    def add(self, luma: NDArray[np.uint8], sharpness: float) -> int:
        """Bit k is set when the span of SPANS[k] frames that ends with this one looks like a dissolve.

        `sharpness` is the variance of the Laplacian of `luma` (H, W).
        """
        now = self._count % (LOOKBACK + 1)
        self._sharpness[now] = sharpness
        small = cv2.resize(luma, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float64)
        small -= small.mean()
        quarters = small.reshape(2, HEIGHT // 2, 2, WIDTH // 2).transpose(0, 2, 1, 3).reshape(4, -1)
        self._means[now] = quarters.mean(axis=1)
        self._quarters[now] = quarters - self._means[now][:, None]
        products = np.einsum("kqd,qd->kq", self._quarters, self._quarters[now]) / quarters.shape[1]
        self._products[now, :, 0] = (products + self._means * self._means[now]).mean(axis=1)
        self._products[now, :, 1:] = products
        self._count += 1
        return sum(1 << k for k, span in enumerate(SPANS) if span < self._count and self._is_dissolve(span))

    def _is_dissolve(self, span: int) -> bool:
        last = self._count - 1
        first = last - span
        middle = first + span // 2
        frames = first + span // 4, middle, last - span // 4
        mixtures = self._solve_mixtures(first, last, frames)
        if mixtures is None:
            return False
        share, contrasts = mixtures
        if not LOW < contrasts[1] < HIGH or min(contrasts) <= LOWEST or max(contrasts) >= HIGHEST:
            return False
        before, halfway, after = (
            float(self._sharpness[frame % (LOOKBACK + 1)]) for frame in (first, middle, last)
        )
        if halfway < FINE * ((1 - share) ** 2 * before + share**2 * after):
            return False
        return self._dips_everywhere(first, middle, last, share)

    def _solve_mixtures(
        self, first: int, last: int, frames: tuple[int, int, int]
    ) -> tuple[float, list[float]] | None:
        """The second image's share in the middle frame, and each frame's contrast relative to a mixture's.

        None when the ends are alike or flat, or when a frame is no mixture with a share in its bounds.
        """
        aa, bb, ab = (
            self._get(first, first)[0],
            self._get(last, last)[0],
            self._get(last, first)[0],
        )
        if min(aa, bb) < LEAST_CONTRAST or ab >= ALIKE * np.sqrt(aa * bb):
            return None
        determinant = aa * bb - ab * ab
        if determinant <= LEAST_DETERMINANT * aa * bb:
            return None
        contrasts, middle_share = [], 0.0
        for frame, (low, high) in zip(frames, SHARES, strict=True):
            own = self._get(frame, frame)[0]
            ma, mb = self._get(frame, first)[0], self._get(last, frame)[0]
            a, b = (ma * bb - mb * ab) / determinant, (mb * aa - ma * ab) / determinant
            if a + b <= LEAST_MIXTURE or not low < b / (a + b) < high:
                return None
            share = min(max(b / (a + b), 0.0), 1.0)
            contrasts.append(own / max(float(_blend(aa, bb, ab, share)), 1e-6))
            if frame == frames[1]:
                if a * ma + b * mb <= EXPLAINED * own or own >= DIP * (aa + bb) / 2:
                    return None
                middle_share = share
        return middle_share, contrasts

    def _dips_everywhere(self, first: int, middle: int, last: int, share: float) -> bool:
        """An object that passes covers one part after the other; a dissolve is everywhere at once."""
        ends = self._get(first, first)[1:], self._get(last, last)[1:], self._get(last, first)[1:]
        expected = np.maximum(_blend(*ends, share), 0)
        ratios = (self._get(middle, middle)[1:] + FLAT) / (expected + FLAT)
        return bool(ratios.min() > QUARTER_LOW and ratios.max() < QUARTER_HIGH)

    def _get(self, later: int, earlier: int) -> Floats:
        size = LOOKBACK + 1
        return np.asarray(self._products[later % size, earlier % size])


def _blend(aa: Floats, bb: Floats, ab: Floats, share: float) -> Floats:
    """The contrast of a mixture of two images in which the second has a share."""
    return np.asarray((1 - share) ** 2 * aa + share**2 * bb + 2 * share * (1 - share) * ab)


def find_dissolves(spans: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The first and last frame of each dissolve, inclusive, from the bits of `DissolveDetector` (T,)."""
    votes: dict[int, list[int]] = {}
    for k, span in enumerate(SPANS):
        ends = np.flatnonzero(spans >> k & 1)
        for run in np.split(ends, np.flatnonzero(np.diff(ends) > 1) + 1):
            if len(run) >= AGREEING:
                for end in run:
                    votes.setdefault(int(end) - span // 2, []).append(span)
    dissolves: list[tuple[int, int]] = []
    group: list[int] = []
    for middle in [*sorted(votes), None]:
        if group and (middle is None or middle - group[-1] > APART):
            dissolves.append(_measure_extent(group, votes))
            group = []
        if middle is not None:
            group.append(middle)
    return dissolves


def _measure_extent(middles: list[int], votes: dict[int, list[int]]) -> tuple[int, int]:
    spans = [span for middle in middles for span in votes[middle]]
    center = sum(middle * len(votes[middle]) for middle in middles) / len(spans)
    # short spans fit inside a dissolve, long ones reach beyond it
    half = float(np.sqrt(min(spans) * max(spans))) / 2
    return round(center - half), round(center + half)
