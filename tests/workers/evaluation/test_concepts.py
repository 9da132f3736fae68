"""SA-Co/Gold and SA-Co/VEval on drawn sets with known answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.evaluation_sets import SIZE, draw_gold, draw_veval, write_gold
from tests.support.oracle_engines import Answers, OracleConcepts, draw_box, shift_answers
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.errors import LayoutError
from workers.evaluation.metrics.hota import FrameOverlaps, count_sequence, score_sequences
from workers.evaluation.orchestration import run_evaluation
from workers.evaluation.report import Report

# the evaluator adds small constants to denominators, so that perfect is not exactly 1
EXACT = 3e-4


def run_gold(folder: Path, answers: dict[int, Answers], out: str) -> Report:
    return run_evaluation(
        load_benchmark("sa-co-gold", folder, split="crowded"), OracleConcepts(answers), folder / out
    )


def test_gold_scores_a_perfect_and_a_shifted_oracle(tmp_path: Path) -> None:
    answers = draw_gold(tmp_path)
    perfect = run_gold(tmp_path, answers, "perfect").scores
    assert all(
        perfect[name] == pytest.approx(1, abs=EXACT) for name in ("cgF1", "box_cgF1", "IL_MCC", "pmF1")
    )
    # 20 wide, moved by 2: an IoU of 18/22 = 0.82 is right at 7 of 10 thresholds
    shifted = run_gold(tmp_path, shift_answers(answers, 2), "shifted").scores
    assert shifted["cgF1"] == pytest.approx(0.7, abs=EXACT) == shifted["box_cgF1"]
    assert (shifted["cgF1@0.5"], shifted["cgF1@0.75"]) == pytest.approx((1, 1), abs=EXACT)
    assert shifted["cgF1/crowded"] == shifted["cgF1"]


def test_gold_gates_by_presence(tmp_path: Path) -> None:
    answers = draw_gold(tmp_path)
    invented = {**answers, 10: {**answers[10], "dog": [(0.9, draw_box(SIZE, 0, 0, 9, 9))]}}
    scores = run_gold(tmp_path, invented, "invented").scores
    # 2 right, 1 invented, 1 rightly silent: (2 x 1 - 0) / sqrt(3 x 2 x 2 x 1)
    assert scores["IL_MCC"] == pytest.approx(2 / np.sqrt(12), abs=1e-6)
    assert scores["pmF1"] == pytest.approx(1, abs=EXACT)
    assert scores["cgF1"] == pytest.approx(2 / np.sqrt(12), abs=EXACT)
    # a detection of low score is none
    weak = {**answers, 10: {**answers[10], "dog": [(0.4, draw_box(SIZE, 0, 0, 9, 9))]}}
    assert run_gold(tmp_path, weak, "weak").scores["cgF1"] == pytest.approx(1, abs=EXACT)
    # whatever the engine is asked for
    benchmark = load_benchmark("sa-co-gold", tmp_path, split="crowded", changes=["threshold=0.1"])
    report = run_evaluation(benchmark, OracleConcepts(weak), tmp_path / "asked")
    assert report.scores["cgF1"] == pytest.approx(1, abs=EXACT)


def test_gold_takes_the_most_favourable_annotator(tmp_path: Path) -> None:
    answers = draw_gold(tmp_path)
    moved = shift_answers(answers, 2)
    write_gold(tmp_path, "b", moved)
    write_gold(tmp_path, "c", {mark: {phrase: [] for phrase in known} for mark, known in answers.items()})
    for name, own in (("first", answers), ("second", moved)):
        assert run_gold(tmp_path, own, name).scores["cgF1"] == pytest.approx(1, abs=EXACT)
    # what one annotator calls absent may be left out: then no phrase is present anywhere
    nothing = {mark: {phrase: [] for phrase in known} for mark, known in answers.items()}
    assert run_gold(tmp_path, nothing, "third").scores["IL_MCC"] == 0
    # pairs that another annotator did not finish are not judged
    file = tmp_path / "annotations" / "gold_crowded_merged_c_release_test.json"
    data = json.loads(file.read_text())
    data["images"][0]["is_instance_exhaustive"] = 0
    file.write_text(json.dumps(data))
    benchmark = load_benchmark("sa-co-gold", tmp_path, split="crowded")
    asked = benchmark.answer(benchmark.samples()[0], OracleConcepts(answers))
    assert list(asked["pairs"]) == ["2"]


def test_veval_scores_a_perfect_and_a_shifted_oracle(tmp_path: Path) -> None:
    answers = draw_veval(tmp_path)
    benchmark = load_benchmark("sa-co-veval", tmp_path)
    report = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "perfect", predictions=True)
    assert report.total == 2, "one sample per pair of video and phrase"
    for name in ("cgF1", "box_cgF1", "pHOTA", "phrase_AP", "mAP"):
        assert report.scores[name] == pytest.approx(1, abs=EXACT), name
    assert "| 0.303 | SAM 3 |" in report.to_markdown()
    exported = json.loads(
        (tmp_path / "perfect" / "predictions" / "saco_veval_sav_test_preds.json").read_text()
    )
    assert exported[1]["areas"] == [200, 200, 0, 0] and exported[1]["bboxes"][2] == [0, 0, 0, 0]

    # 20 wide, moved by 4: IoUs of 16/24 = 0.67, right at 4 of 10 thresholds and at 13 of HOTA's 19
    shifted = run_evaluation(
        benchmark, OracleConcepts(shift_answers(answers, 4)), tmp_path / "shifted"
    ).scores
    assert shifted["cgF1"] == pytest.approx(0.4, abs=EXACT) == shifted["box_cgF1"]
    assert shifted["pHOTA"] == pytest.approx(13 / 19)
    assert shifted["phrase_AP"] == pytest.approx(0.4) and shifted["mAP75"] == 0
    refused = OracleConcepts({mark: {} for mark in answers})
    report = run_evaluation(benchmark, refused, tmp_path / "refused")
    assert report.refused == 2 and report.scores["cgF1"] == 0 == report.scores["pHOTA"]


def test_hota_halves_the_association_of_a_track_cut_in_two() -> None:
    one, first, second = np.array([0]), np.array([0]), np.array([1])
    frames = [FrameOverlaps(one, first if index < 2 else second, np.ones((1, 1))) for index in range(4)]
    scores = score_sequences([count_sequence(frames, 1, 2)])
    # each half is in 2 of 4 frames: 2 / (4 + 2 - 2)
    assert scores == {"HOTA": pytest.approx(np.sqrt(0.5)), "DetA": 1.0, "AssA": pytest.approx(0.5)}


def test_broken_annotations_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"annotations of metaclip_nps is missing.*gold_metaclip_merged_a"):
        load_benchmark("sa-co-gold", tmp_path)
    with pytest.raises(LayoutError, match="no split 'train'"):
        load_benchmark("sa-co-veval", tmp_path, split="train")
    draw_veval(tmp_path)
    file = tmp_path / "annotation" / "saco_veval_sav_test.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["segmentations"].pop()
    file.write_text(json.dumps(data))
    with pytest.raises(LayoutError, match="not one segmentation per frame"):
        load_benchmark("sa-co-veval", tmp_path)
    data["video_np_pairs"] = []
    file.write_text(json.dumps(data))
    with pytest.raises(LayoutError, match="no pair of video and phrase"):
        load_benchmark("sa-co-veval", tmp_path)
