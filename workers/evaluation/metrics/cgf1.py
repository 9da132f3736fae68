"""Classification-gated F1 of concepts, as the SA-Co benchmarks define it.

Carion et al., "SAM 3: Segment Anything with Concepts" (2025), section "Metrics", with the small constants of
Meta's evaluator: cgF1 = positive micro F1 (localisation where the phrase is present) x the Matthews
correlation of presence. Detections and instances of a pair of medium and phrase are matched once, by the
assignment with the largest sum of IoUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workers.evaluation.benchmark import Scores

Counts = NDArray[np.int64] | NDArray[np.float64]
# IoUs from which a match is right
THRESHOLDS = np.linspace(0.5, 0.95, 10)
# score from which a detection counts
MIN_SCORE = 0.5
# Meta's evaluator adds these to denominators: results agree with it to the last digit
COUNT_EPSILON, PRESENCE_EPSILON = 1e-4, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """One pair of a medium and a phrase: instances, detections, and `hits` (10,) at the thresholds."""

    instances: int
    detections: int
    hits: NDArray[np.int64]

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing, and nothing was found."""
        return self.instances == 0 and self.detections == 0

    def f1(self) -> NDArray[np.float64]:
        """F1 (10,) of this pair alone, 0 where one side is empty."""
        return _f1(self.hits, self.detections - self.hits, self.instances - self.hits)


def count_pair(overlaps: NDArray[np.float64]) -> PairCounts:
    """The counts of a pair from the IoUs (D, G) of D detections with G instances."""
    detections, instances = overlaps.shape
    rows, columns = linear_sum_assignment(-overlaps)
    matched = overlaps[rows, columns]
    return PairCounts(instances, detections, (matched[None] >= THRESHOLDS[:, None]).sum(axis=1))


def choose_annotation(pairs: Sequence[PairCounts]) -> PairCounts:
    """The most favourable of several annotations of one pair, as SA-Co/Gold is scored."""
    best = pairs[0]
    for pair in pairs[1:]:
        # agreeing on silence is perfect
        if pair.is_silent or (not best.is_silent and pair.f1().mean() > best.f1().mean()):
            best = pair
    return best


def score_pairs(pairs: Sequence[PairCounts]) -> Scores:
    """cgF1, positive micro F1 (`pmF1`) and presence (`IL_MCC`): means over the IoUs, and at 0.5 and 0.75."""
    if not pairs:
        return {}
    positive = [pair for pair in pairs if pair.instances]
    hits = np.sum([pair.hits for pair in positive], axis=0) if positive else np.zeros(len(THRESHOLDS))
    wrong = sum(pair.detections for pair in positive) - hits
    missed = sum(pair.instances for pair in positive) - hits
    localisation, presence = _f1(hits, wrong, missed), measure_presence(pairs)
    scores: Scores = {}
    for suffix, chosen in (("", slice(None)), ("@0.5", slice(0, 1)), ("@0.75", slice(5, 6))):
        scores[f"cgF1{suffix}"] = float(localisation[chosen].mean() * presence)
        scores[f"pmF1{suffix}"] = float(localisation[chosen].mean())
    return {**scores, "IL_MCC": presence}


def measure_presence(pairs: Sequence[PairCounts]) -> float:
    """Matthews' correlation of "something is there" with "something was found"."""
    table = np.zeros((2, 2))
    for pair in pairs:
        table[int(pair.instances > 0), int(pair.detections > 0)] += 1
    (silent, false), (missed, right) = table
    product = (right + false) * (right + missed) * (silent + false) * (silent + missed)
    return float((right * silent - false * missed) / (np.sqrt(product) + PRESENCE_EPSILON))


def _f1(hits: Counts, wrong: Counts, missed: Counts) -> NDArray[np.float64]:
    precision = hits / (hits + wrong + COUNT_EPSILON)
    recall = hits / (hits + missed + COUNT_EPSILON)
    f1: NDArray[np.float64] = 2 * precision * recall / (precision + recall + COUNT_EPSILON)
    return f1
