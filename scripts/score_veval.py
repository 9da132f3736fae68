"""Scores predictions that Meta's SA-Co/VEval evaluator reads, and compares with what it wrote about them.

`python -m scripts.score_veval GT.json PREDICTIONS.json [RESULTS.json]`; exits with 1 where they differ.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.evaluation.benchmark import Scores
from workers.evaluation.datasets.saco import parse_veval
from workers.evaluation.metrics.masklets import Masklet, Pair, score_masklets

# our names and those of Meta's `saco_veval_eval.py`; the published cgF1 is its "micro"
META_NAMES = {
    "cgF1": "video_mask_demo_cgf1_micro_50_95",
    "cgF1@0.5": "video_mask_demo_cgf1_micro_50",
    "cgF1@0.75": "video_mask_demo_cgf1_micro_75",
    "pmF1": "video_mask_demo_positive_micro_f1_50_95",
    "IL_MCC": "video_mask_demo_ilmcc_50_95",
    "box_cgF1": "video_bbox_demo_cgf1_micro_50_95",
    "box_pmF1": "video_bbox_demo_positive_micro_f1_50_95",
    "pHOTA": "video_mask_all_phrase_HOTA",
    "pDetA": "video_mask_all_phrase_DetA",
    "pAssA": "video_mask_all_phrase_AssA",
    "phrase_AP": "video_mask_phrase_ap_50_95",
    "phrase_AP50": "video_mask_phrase_ap_50",
    "phrase_AP75": "video_mask_phrase_ap_75",
    "mAP": "video_mask_mAP_50_95",
}
# what rounding in another order may change
TOLERANCE = 1e-9


def score_file(truth: Path, predictions: Path) -> Scores:
    """The scores of a file of predictions against a file of annotations; raises LayoutError."""
    data = parse_veval(truth, truth.parent)
    found: dict[Pair, list[Masklet]] = {}
    for row in json.loads(predictions.read_text(encoding="utf-8")):
        found.setdefault((row["video_id"], row["category_id"]), []).append(row)
    return score_masklets(data.masklets, found, list(data.phrases))


def compare(scores: Scores, results: Mapping[str, float]) -> list[tuple[str, float | None, float]]:
    """Our name, our score, and Meta's, for every score that Meta's results have too."""
    return [(name, scores[name], results[meta]) for name, meta in META_NAMES.items() if meta in results]


def main(arguments: Sequence[str]) -> int:
    """Print a line per score; 1 where a score differs from Meta's."""
    truth, predictions, *expected = map(Path, arguments)
    scores = score_file(truth, predictions)
    if not expected:
        print(*(f"{name:12} {value}" for name, value in scores.items()), sep="\n")
        return 0
    differs = False
    for name, ours, theirs in compare(scores, json.loads(expected[0].read_text())["dataset_results"]):
        away = abs((ours or 0.0) - theirs)
        differs |= away > TOLERANCE
        print(f"{name:12} {ours:.15f} {theirs:.15f} {away:.1e}")
    return int(differs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
