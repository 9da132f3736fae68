"""COCO and LVIS on drawn images with known answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.evaluation_sets import SIZE, draw_coco, draw_lvis
from tests.support.oracle_engines import Answers, Mask, OracleConcepts, draw_box, shift_answers
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.errors import LayoutError, SettingError
from workers.evaluation.orchestration import run_evaluation


def test_a_perfect_oracle_scores_one_and_a_shifted_one_what_its_overlap_says(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    benchmark = load_benchmark("coco", tmp_path)
    perfect = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "perfect")
    assert (
        perfect.scored == perfect.total == 2 and perfect.scores["mask_AP"] == perfect.scores["box_AP"] == 1.0
    )

    # boxes 20 wide moved by 2 overlap by 18/22 = 0.82: right at 0.5 to 0.8; those 10 wide by 8/12 = 0.67:
    # right at 0.5 to 0.65. Cats score 7 of 10 thresholds and dogs 4 of 10.
    shifted = run_evaluation(benchmark, OracleConcepts(shift_answers(answers, 2)), tmp_path / "shifted")
    assert shifted.scores["mask_AP"] == pytest.approx((0.7 + 0.4) / 2, abs=1e-9)
    assert shifted.scores["box_AP"] == pytest.approx((0.7 + 0.4) / 2, abs=1e-9)
    assert shifted.scores["mask_AP50"] == 1.0 and shifted.scores["mask_AP75"] == 0.5


def test_masks_and_boxes_are_judged_apart(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    cut: dict[int, Answers] = {
        mark: {
            phrase: [(score, cut_corner(mask)) for score, mask in found] for phrase, found in known.items()
        }
        for mark, known in answers.items()
    }
    scores = run_evaluation(load_benchmark("coco", tmp_path), OracleConcepts(cut), tmp_path / "cut").scores
    # without 0.4 x 0.8 of it in one corner a rectangle has the same box, and an IoU of 0.68: right at 0.5 to
    # 0.65
    assert scores["box_AP"] == 1.0 and scores["mask_AP50"] == 1.0
    assert scores["mask_AP"] == pytest.approx(0.4) and scores["mask_AP75"] == 0


def cut_corner(mask: Mask) -> Mask:
    y, x = np.nonzero(mask)
    kept = np.zeros_like(mask)
    right, low = (x - x.min()) / (np.ptp(x) + 1) >= 0.6, (y - y.min()) / (np.ptp(y) + 1) >= 0.2
    kept[y, x] = ~(right & low)
    return kept


def test_a_refused_phrase_counts_as_nothing_found(tmp_path: Path) -> None:
    answers = {mark: {"cat": known["cat"]} for mark, known in draw_coco(tmp_path).items()}
    report = run_evaluation(load_benchmark("coco", tmp_path), OracleConcepts(answers), tmp_path / "out")
    assert report.refused == 2 and report.scores["mask_AP"] == 0.5


def test_lvis_judges_only_what_was_searched(tmp_path: Path) -> None:
    answers = draw_lvis(tmp_path)
    stray = draw_box(SIZE, 60, 40, 10, 10)
    # best of all, and wrong: a dog where nobody looked for dogs, a cat where not all cats are known
    wrong = {
        10: {**answers[10], "dog": [(0.99, stray)]},
        20: {**answers[20], "cat": [(0.99, stray), *answers[20]["cat"]]},
    }
    for setting in ("judged", "all"):
        benchmark = load_benchmark("lvis", tmp_path, changes=[f"phrases={setting}"])
        report = run_evaluation(benchmark, OracleConcepts(wrong), tmp_path / setting)
        assert report.scores["mask_AP"] == report.scores["box_APr"] == 1.0
        assert report.scores["mask_APc"] is None
    wrong[10] = {**answers[10], "cat": [(0.99, stray), *answers[10]["cat"]]}
    report = run_evaluation(benchmark, OracleConcepts(wrong), tmp_path / "false")
    # one false cat before both right ones: precision 2/3 at every recall
    assert report.scores["mask_APf"] == pytest.approx(2 / 3) and report.scores["mask_APr"] == 1.0
    shifted = run_evaluation(benchmark, OracleConcepts(shift_answers(answers, 2)), tmp_path / "shifted")
    # as of COCO: cats are frequent and 20 wide, dogs rare and 10 wide
    assert shifted.scores["mask_APf"] == pytest.approx(0.7) and shifted.scores["box_APr"] == pytest.approx(
        0.4
    )


def test_answers_are_exported_as_coco_reads_them(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    answers = draw_coco(tmp_path)
    run_evaluation(
        load_benchmark("coco", tmp_path), OracleConcepts(answers), tmp_path / "out", predictions=True
    )
    truth = COCO(str(tmp_path / "annotations" / "instances_val2017.json"))
    found = truth.loadRes(str(tmp_path / "out" / "predictions" / "detections.json"))
    masks = [found.annToMask(row).astype(bool) for row in found.loadAnns(found.getAnnIds(imgIds=[10]))]
    assert len(masks) == 1 and np.array_equal(masks[0], answers[10]["cat"][0][1])


def test_broken_layouts_and_settings_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"val2017 is missing"):
        load_benchmark("coco", tmp_path)
    draw_coco(tmp_path)
    file = tmp_path / "annotations" / "instances_val2017.json"
    data = json.loads(file.read_text())
    for rows, field, text in (("annotations", "bbox", "'bbox'"), ("images", "width", "'width'")):
        changed = json.loads(json.dumps(data))
        del changed[rows][0][field]
        file.write_text(json.dumps(changed))
        with pytest.raises(LayoutError, match=text):
            load_benchmark("coco", tmp_path)
    file.write_text("{")
    with pytest.raises(LayoutError, match="no JSON"):
        load_benchmark("coco", tmp_path)
    file.write_text(json.dumps(data))
    for setting in ("treshold=0.5", "threshold", "threshold=high", "phrases=some"):
        with pytest.raises(SettingError):
            load_benchmark("coco", tmp_path, changes=[setting])
    (tmp_path / "val2017" / "000000000010.jpg").write_bytes(b"no image")
    with pytest.raises(LayoutError, match=r"000000000010\.jpg is no image"):
        run_evaluation(load_benchmark("coco", tmp_path), OracleConcepts({}), tmp_path / "out")
