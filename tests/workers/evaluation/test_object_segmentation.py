"""J and F on drawn videos with known answers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.evaluation_sets import SIZE, draw_davis, draw_video
from tests.support.oracle_engines import Answers, OracleConcepts, draw_box, shift_answers
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.errors import LayoutError
from workers.evaluation.metrics.jf import measure_contour, measure_region, trace_contour
from workers.evaluation.orchestration import run_evaluation


def test_contours_are_matched_within_the_tolerance() -> None:
    square = draw_box((100, 100), 40, 40, 20, 20)
    # the diagonal is 141 pixels, 0.008 of it 1.13, rounded up 2
    assert measure_contour(square, np.roll(square, 2, axis=1)) == 1.0
    # an outline of 80 pixels, moved by 10 along x: two horizontal runs of 11 stay, with 2 pixels beside each,
    # and so do the 2 pixels of the far side next to either run
    moved = np.roll(square, 10, axis=1)
    assert trace_contour(square).sum() == 80
    assert measure_contour(square, moved) == pytest.approx((2 * 11 + 2 * 2 + 2 * 2) / 80)
    assert measure_region(square, moved) == pytest.approx(200 / 600)
    # what is found beside it, far away, costs precision alone: 80 of 120 pixels are near the truth
    more = square | draw_box((100, 100), 5, 5, 10, 10)
    assert measure_contour(square, more) == measure_contour(more, square) == pytest.approx(0.8)
    empty = np.zeros_like(square)
    assert measure_region(empty, empty) == measure_contour(empty, empty) == 1.0
    assert measure_region(square, empty) == measure_contour(square, empty) == 0.0
    assert not trace_contour(np.ones((5, 7), np.bool_)).any(), "the border is no contour"


def test_a_perfect_oracle_scores_one_and_a_shifted_one_its_overlap(tmp_path: Path) -> None:
    answers = draw_davis(tmp_path)
    benchmark = load_benchmark("davis", tmp_path)
    perfect = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "perfect")
    assert perfect.scores["J&F"] == 1.0
    # squares of 20 and of 10 moved by 5: 15/25 and 5/15
    shifted = run_evaluation(benchmark, OracleConcepts(shift_answers(answers, 5)), tmp_path / "shifted")
    assert shifted.scores["J"] == pytest.approx((15 / 25 + 5 / 15) / 2)
    assert shifted.scores["J_recall"] == 0.5
    # a lost object has an empty mask
    lost = {mark: {"objects": known["objects"][:1]} for mark, known in answers.items()}
    assert run_evaluation(benchmark, OracleConcepts(lost), tmp_path / "lost").scores["J&F"] == 0.5


def test_first_and_last_frames_are_left_out(tmp_path: Path) -> None:
    answers = draw_davis(tmp_path)
    nothing = {"objects": [(1.0, np.zeros(SIZE, np.bool_))] * 2}
    ends: dict[int, Answers] = {**answers, 10: nothing, 50: nothing}
    benchmark = load_benchmark("davis", tmp_path)
    assert run_evaluation(benchmark, OracleConcepts(ends), tmp_path / "a").scores["J&F"] == 1.0
    all_frames = load_benchmark("davis", tmp_path, changes=["skip_ends=false"])
    report = run_evaluation(all_frames, OracleConcepts(ends), tmp_path / "b")
    assert report.scores["J&F"] == pytest.approx(3 / 5)
    assert report.changed == {"skip_ends": True} and "not the paper's settings" in report.to_markdown()


def test_mose_starts_later_objects_and_exports_what_its_server_reads(tmp_path: Path) -> None:
    square, later = draw_box(SIZE, 10, 10, 20, 20), draw_box(SIZE, 25, 15, 20, 20)
    empty = np.zeros(SIZE, np.bool_)
    answers: dict[int, Answers] = {
        10 * (index + 1): {"objects": [(1.0, square), (1.0, later & ~square if index > 1 else empty)]}
        for index in range(5)
    }
    root = tmp_path / "valid"
    draw_video(root / "JPEGImages" / "v", root / "Annotations" / "v", answers)
    benchmark = load_benchmark("mose", tmp_path)
    out = tmp_path / "out"
    report = run_evaluation(benchmark, OracleConcepts(answers), out, predictions=True)
    assert report.scores["J&F"] == 1.0
    # where masks overlap, the object with the lowest id has the pixel, as in what was drawn
    whole: dict[int, Answers] = {
        mark: {"objects": [known["objects"][0], (1.0, later if mark > 20 else empty)]}
        for mark, known in answers.items()
    }
    assert run_evaluation(benchmark, OracleConcepts(whole), tmp_path / "whole").scores["J&F"] == 1.0
    shifted = run_evaluation(benchmark, OracleConcepts(shift_answers(answers, 5)), tmp_path / "shifted")
    # the square keeps 15 of 20 columns; of the other's 225 + 100 pixels 150 + 75 stay in two of the three
    # frames, and in the first of them it is rightly absent
    assert shifted.scores["J"] == pytest.approx((15 / 25 + (1 + 2 * 225 / 425) / 3) / 2)
    for index in range(5):
        name = f"v/{index:05}.png"
        with (
            Image.open(out / "predictions" / name) as image,
            Image.open(root / "Annotations" / name) as truth,
        ):
            assert image.mode == "P" and image.getpalette() == truth.getpalette()
            assert np.array_equal(np.asarray(image), np.asarray(truth))
    for path in sorted((root / "Annotations" / "v").glob("*.png"))[1:]:
        path.unlink()
    report = run_evaluation(load_benchmark("mose", tmp_path), OracleConcepts(answers), tmp_path / "val")
    assert report.scores["J&F"] is None, "without annotations nothing is measured"


def test_broken_videos_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="the list of videos is missing"):
        load_benchmark("davis", tmp_path)
    draw_davis(tmp_path)
    annotations = tmp_path / "Annotations" / "480p" / "walk"
    (annotations / "00000.png").rename(annotations / "99999.png")
    with pytest.raises(LayoutError, match=r"99999\.png has no frame"):
        load_benchmark("davis", tmp_path)
    (annotations / "99999.png").rename(annotations / "00000.png")
    Image.new("RGB", SIZE[::-1]).save(annotations / "00000.png")
    with pytest.raises(LayoutError, match="mode RGB"):
        run_evaluation(load_benchmark("davis", tmp_path), OracleConcepts({}), tmp_path / "out")
