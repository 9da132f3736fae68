"""Scores of predictions on SA-Co/VEval against what Meta's own evaluator wrote about the same files."""

import json
from pathlib import Path

import pytest

from scripts.score_veval import META_NAMES, compare, main, score_file
from tests.support.drawn_veval import draw_files
from tests.support.paths import GOLDEN

RESULTS = GOLDEN / "veval_drawn_results.json"


def test_scores_of_drawn_predictions_are_those_of_metas_evaluator(tmp_path: Path) -> None:
    truth, predictions = draw_files(tmp_path)
    results = json.loads(RESULTS.read_text())["dataset_results"]
    compared = compare(score_file(truth, predictions), results)
    assert len(compared) == len(META_NAMES)
    for name, ours, theirs in compared:
        assert ours == pytest.approx(theirs, abs=1e-12), name
    # the set distinguishes scores: none is trivial
    assert all(0 < theirs < 1 for _, _, theirs in compared)


def test_the_script_says_where_scores_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, predictions = draw_files(tmp_path)
    assert main([str(truth), str(predictions), str(RESULTS)]) == 0
    rows = json.loads(predictions.read_text())
    rows[0]["score"] = 0.1
    predictions.write_text(json.dumps(rows))
    assert main([str(truth), str(predictions), str(RESULTS)]) == 1
    assert main([str(truth), str(predictions)]) == 0
    assert "pHOTA" in capsys.readouterr().out
