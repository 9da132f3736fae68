"""Average precision by pycocotools, and LVIS's rules for images that are not searched for every category.

COCO: Lin et al., "Microsoft COCO" (2014). LVIS: Gupta et al., "LVIS" (2019), section 2: on an image only
categories count that were searched there, and where instances may be missing, unmatched detections are
ignored.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from workers.evaluation.benchmark import Scores

Row = dict[str, Any]
Region = Literal["bbox", "segm"]
# at most so many detections of an image count
COCO_DETECTIONS, LVIS_DETECTIONS = 100, 300


def score_coco(truth: Mapping[str, list[Row]], detections: Sequence[Row], region: Region) -> Scores:
    """AP, AP50, AP75, by size, and AR with 100 detections; detections are COCO's result rows."""
    evaluation = COCOeval(
        build_index(truth), build_index({**truth, "annotations": number_rows(detections, region)}), region
    )
    evaluation.params.imgIds = sorted(row["id"] for row in truth["images"])
    _run(evaluation)
    with redirect_stdout(io.StringIO()):
        evaluation.summarize()
    names = {"AP": 0, "AP50": 1, "AP75": 2, "APs": 3, "APm": 4, "APl": 5, "AR100": 8}
    return {name: _known(evaluation.stats[index]) for name, index in names.items()}


def score_lvis(truth: Mapping[str, list[Row]], detections: Sequence[Row], region: Region) -> Scores:
    """AP, AP50, AP75 and those of rare, common and frequent categories."""
    images = {row["id"]: row for row in truth["images"]}
    judged = {number: set(row["neg_category_ids"]) for number, row in images.items()}
    for row in truth["annotations"]:
        judged[row["image_id"]].add(row["category_id"])
    kept = [
        row
        for row in keep_best(detections, LVIS_DETECTIONS)
        if row["image_id"] in judged and row["category_id"] in judged[row["image_id"]]
    ]
    partial = {
        (number, category)
        for number, row in images.items()
        for category in row["not_exhaustive_category_ids"]
    }
    evaluation = _FederatedEval(
        build_index(truth), build_index({**truth, "annotations": number_rows(kept, region)}), region
    )
    evaluation.partial = partial
    evaluation.params.imgIds = sorted(images)
    evaluation.params.maxDets = [LVIS_DETECTIONS]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    _run(evaluation)
    # thresholds x recalls x categories
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    frequency = {row["id"]: row.get("frequency") for row in truth["categories"]}
    groups = [frequency[number] for number in evaluation.params.catIds]
    scores = {"AP": _mean(precision), "AP50": _mean(precision[0]), "AP75": _mean(precision[5])}
    for letter in "rcf":
        scores[f"AP{letter}"] = _mean(precision[:, :, [group == letter for group in groups]])
    return scores


def keep_best(detections: Sequence[Row], limit: int) -> list[Row]:
    """The detections with the highest scores of every image, at most `limit` of each."""
    by_image: dict[Any, list[Row]] = {}
    for row in detections:
        by_image.setdefault(row["image_id"], []).append(row)
    return [row for rows in by_image.values() for row in sorted(rows, key=lambda row: -row["score"])[:limit]]


def number_rows(detections: Sequence[Row], region: Region) -> list[Row]:
    """Result rows as annotations: with ids, and with the areas of their masks or boxes."""

    def measure_area(row: Row) -> float:
        if region == "segm":
            return float(coco_masks.area(row["segmentation"]))
        return float(row["bbox"][2] * row["bbox"][3])

    return [
        {**row, "id": index, "area": measure_area(row), "iscrowd": 0}
        for index, row in enumerate(detections, start=1)
    ]


def build_index(data: Mapping[str, Any]) -> Any:
    """COCO's index over rows in memory."""
    index = COCO()
    index.dataset = {**data, "annotations": [{"iscrowd": 0, **row} for row in data["annotations"]]}
    with redirect_stdout(io.StringIO()):
        index.createIndex()
    return index


def evaluate_overlaps(
    truth: Any, found: Any, overlaps: Mapping[tuple[int, int], NDArray[np.float64]], limit: int
) -> Callable[[int | None], float | None]:
    """AP at a threshold, or at all of them for None, from IoUs (D, G) known by image and category."""
    evaluation = _KnownOverlapsEval(truth, found, "bbox")
    evaluation.overlaps = overlaps
    evaluation.params.maxDets = [limit]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    _run(evaluation)
    precision = evaluation.eval["precision"]
    return lambda threshold: _mean(precision if threshold is None else precision[threshold])


class _KnownOverlapsEval(COCOeval):  # type: ignore[misc]
    overlaps: Mapping[tuple[int, int], NDArray[np.float64]]

    def computeIoU(self, imgId: int, catId: int) -> Any:
        scores = [-row["score"] for row in self._dts[imgId, catId]]
        order = np.argsort(scores, kind="mergesort")[: self.params.maxDets[-1]]
        known = self.overlaps.get((imgId, catId))
        return known[order] if known is not None and known.size else []


class _FederatedEval(COCOeval):  # type: ignore[misc]
    partial: set[tuple[int, int]]

    def evaluateImg(self, imgId: int, catId: int, aRng: Any, maxDet: int) -> Any:
        result = super().evaluateImg(imgId, catId, aRng, maxDet)
        if result is not None and (imgId, catId) in self.partial:
            result["dtIgnore"] = np.logical_or(result["dtIgnore"], result["dtMatches"] == 0)
        return result


def _run(evaluation: Any) -> None:
    # it prints its progress
    with redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()


def _mean(precision: Any) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _known(value: float) -> float | None:
    return float(value) if value > -1 else None
