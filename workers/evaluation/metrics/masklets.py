"""Scores of masklets (tracks of masks) against those of pairs of a video and a phrase."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.evaluation.benchmark import Scores
from workers.evaluation.metrics.average_precision import COCO_DETECTIONS, build_index, evaluate_overlaps
from workers.evaluation.metrics.cgf1 import MIN_SCORE, PairCounts, count_pair, score_pairs
from workers.evaluation.metrics.hota import FrameOverlaps, HotaCounts, count_sequence, score_sequences
from workers.evaluation.metrics.overlaps import (
    measure_area,
    measure_mask_overlaps,
    measure_masklet_overlaps,
    measure_tracklet_overlaps,
)

# a masklet: score, `segmentations` as RLE or None, `bboxes` xywh or None, one of each per frame
Masklet = Mapping[str, Any]
Pair = tuple[int, int]
Masklets = Mapping[Pair, Sequence[Masklet]]


def score_masklets(truth: Masklets, found: Masklets, pairs: Sequence[Pair]) -> Scores:
    """cgF1 of masks and boxes, pHOTA and AP of masks, over pairs of video and phrase."""
    kept = {pair: [row for row in found.get(pair, ()) if row["score"] >= MIN_SCORE] for pair in pairs}
    overlaps = {
        pair: measure_masklet_overlaps(
            [row["segmentations"] for row in found.get(pair, ())],
            [row["segmentations"] for row in truth.get(pair, ())],
        )
        for pair in pairs
    }
    masks = [
        count_pair(overlaps[pair][[row["score"] >= MIN_SCORE for row in found.get(pair, ())]])
        for pair in pairs
    ]
    boxes: list[PairCounts] = [
        count_pair(
            measure_tracklet_overlaps(
                [row["bboxes"] for row in kept[pair]], [row["bboxes"] for row in truth.get(pair, ())]
            )
        )
        for pair in pairs
    ]
    involved = [pair for pair in pairs if truth.get(pair) or kept[pair]]
    tracking = score_sequences([count_tracking(truth.get(pair, ()), kept[pair]) for pair in involved])
    return {
        **score_pairs(masks),
        **{f"box_{name}": value for name, value in score_pairs(boxes).items()},
        **{f"p{name}": value for name, value in tracking.items()},
        **score_ranking(truth, found, overlaps),
    }


def count_tracking(truth: Sequence[Masklet], found: Sequence[Masklet]) -> HotaCounts:
    """What HOTA counts of one pair; empty masks are no detections."""
    frames = max((len(row["segmentations"]) for row in (*truth, *found)), default=0)
    counted = []
    for frame in range(frames):
        present = [
            {
                number: row["segmentations"][frame]
                for number, row in enumerate(rows)
                if measure_area(row["segmentations"][frame])
            }
            for rows in (truth, found)
        ]
        overlaps = measure_mask_overlaps(list(present[0].values()), list(present[1].values()))
        ids = [np.array(list(one), np.int64) for one in present]
        counted.append(FrameOverlaps(ids[0], ids[1], overlaps))
    return count_sequence(counted, len(truth), len(found))


def score_ranking(truth: Masklets, found: Masklets, overlaps: Mapping[Pair, Any]) -> Scores:
    """AP of masks by phrase, where every pair is a video of its own, and by class (`mAP`)."""
    pairs = sorted({*truth, *found})
    alone = {pair: (number, 1) for number, pair in enumerate(pairs, start=1)}
    scores: Scores = {}
    for name, places in (("phrase_AP", alone), ("mAP", {pair: pair for pair in pairs})):
        shared = {
            "images": [{"id": image} for image in sorted({image for image, _ in places.values()})],
            "categories": [{"id": key} for key in sorted({category for _, category in places.values()})],
        }
        precision = evaluate_overlaps(
            build_index({**shared, "annotations": list_rows(truth, places)}),
            build_index({**shared, "annotations": list_rows(found, places)}),
            {places[pair]: overlaps[pair] for pair in pairs},
            COCO_DETECTIONS,
        )
        scores |= {name: precision(None), f"{name}50": precision(0), f"{name}75": precision(5)}
    return scores


def list_rows(masklets: Masklets, places: Mapping[Pair, Pair]) -> list[dict[str, Any]]:
    """Masklets as annotations without regions, at an image and a category."""
    rows = [(*place, row) for pair, place in places.items() for row in masklets.get(pair, ())]
    return [
        {"id": key, "image_id": image, "category_id": category, "score": row.get("score", 1.0), "area": 1.0}
        for key, (image, category, row) in enumerate(rows, start=1)
    ]
