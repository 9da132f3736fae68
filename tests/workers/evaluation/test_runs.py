"""Runs that are killed, divided and repeated, and what their reports say."""

import json
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from maquette.cli.lazy_group import build_command
from typer.testing import CliRunner

from service.main import SUMMARIES
from tests.support.evaluation_sets import draw_coco, draw_davis, draw_video
from tests.support.oracle_engines import OracleConcepts, describe_oracle
from workers.engines.registry import SUITES
from workers.evaluation import orchestration, runner
from workers.evaluation.catalog import TARGETS, load_benchmark
from workers.evaluation.command import evaluate
from workers.evaluation.errors import EngineFailing, LayoutError
from workers.evaluation.orchestration import run_evaluation
from workers.evaluation.provenance import describe_dataset
from workers.evaluation.runner import Shard
from workers.evaluation.settings import change_settings


class KilledConcepts(OracleConcepts):
    """Dies as a process does, at its second image."""

    def embed(self, image: Any, key: str) -> Any:
        if self.asked:
            raise KeyboardInterrupt
        return super().embed(image, key)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    benchmark = load_benchmark("coco", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(benchmark, KilledConcepts(answers), tmp_path / "out")
    # an answer that was cut off in the middle of its file does not count
    torn = tmp_path / "out" / "answers" / "00" / "torn.partial"
    torn.parent.mkdir(parents=True, exist_ok=True)
    torn.write_bytes(b"\x1f\x8b")
    engine = OracleConcepts(answers)
    report = run_evaluation(benchmark, engine, tmp_path / "out")
    assert engine.asked == 1 and report.scored == 2 and report.scores["mask_AP"] == 1.0
    assert run_evaluation(benchmark, engine, tmp_path / "out").scores == report.scores
    assert engine.asked == 1, "a complete run asks for nothing"


def test_a_broken_answer_is_asked_for_again(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    benchmark, engine = load_benchmark("coco", tmp_path), OracleConcepts(answers)
    run_evaluation(benchmark, engine, tmp_path / "out")
    file = next((tmp_path / "out" / "answers").rglob("*.json.gz"))
    file.write_bytes(file.read_bytes()[:20])
    assert run_evaluation(benchmark, engine, tmp_path / "out").scores["mask_AP"] == 1.0
    assert engine.asked == 3


def test_another_engine_setting_or_dataset_is_answered_anew(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path / "data")
    out = tmp_path / "out"
    run_evaluation(load_benchmark("coco", tmp_path / "data"), OracleConcepts(answers), out)
    other = OracleConcepts(answers, describe_oracle(weights={"net": "abc"}))
    run_evaluation(load_benchmark("coco", tmp_path / "data"), other, out)
    assert other.asked == 2
    changed = OracleConcepts(answers)
    run_evaluation(load_benchmark("coco", tmp_path / "data", changes=["threshold=0.5"]), changed, out)
    assert changed.asked == 2
    # the same engine on another device is the same: shards may run on different cards
    elsewhere = OracleConcepts(answers, describe_oracle(device="cuda"))
    run_evaluation(load_benchmark("coco", tmp_path / "data"), elsewhere, out)
    assert elsewhere.asked == 0
    # what an older version of a benchmark has kept is not taken over
    newer = load_benchmark("coco", tmp_path / "data")
    newer.version += 1
    again = OracleConcepts(answers)
    run_evaluation(newer, again, out)
    assert again.asked == 2


def test_shards_share_a_folder_and_the_last_reports_all(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    benchmark = load_benchmark("coco", tmp_path)
    first = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "out", shard=Shard.parse("1/2"))
    assert first.scored == 1 and first.scores == {}, "the other shard is still at work"
    assert "incomplete: not comparable" in (tmp_path / "out" / "report.md").read_text()
    second = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "out", shard=Shard.parse("2/2"))
    assert second.scored == 2 and second.scores["mask_AP"] == 1.0
    limited = run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "few", limit=1)
    assert (limited.scored, limited.total) == (1, 2) and limited.scores["mask_AP"] == pytest.approx(1)


def test_a_part_of_a_benchmark_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    report = run_evaluation(load_benchmark("coco", tmp_path), OracleConcepts(answers), tmp_path / "out")
    assert not report.is_complete and "samples: 2 of 5000; **incomplete" in report.to_markdown()
    assert replace(report, full_size=2).is_complete and replace(report, full_size=None).is_complete
    assert not replace(report, full_size=None, scored=1).is_complete


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    answers = draw_coco(tmp_path)
    benchmark = load_benchmark("coco", tmp_path)
    (tmp_path / "val2017" / "000000000020.jpg").unlink()
    with pytest.raises(LayoutError, match=r"sample 20 is missing: .*000000000020\.jpg"):
        run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "out")


def test_failing_samples_are_reported_and_a_broken_engine_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = draw_coco(tmp_path)
    benchmark = load_benchmark("coco", tmp_path)
    report = run_evaluation(benchmark, OracleConcepts({10: answers[10]}), tmp_path / "out")
    assert list(report.failed) == ["20"] and report.scored == 1
    assert run_evaluation(benchmark, OracleConcepts(answers), tmp_path / "out").scored == 2
    monkeypatch.setattr(runner, "MAX_FAILURES", 2)
    with pytest.raises(EngineFailing, match="2 samples in a row"):
        run_evaluation(benchmark, OracleConcepts({}), tmp_path / "broken")


def test_every_file_of_the_ground_truth_counts(tmp_path: Path) -> None:
    answers = draw_davis(tmp_path)
    root = tmp_path / "Annotations" / "480p"
    draw_video(tmp_path / "JPEGImages" / "480p" / "run", root / "run", answers)
    (tmp_path / "ImageSets" / "2017" / "val.txt").write_text("run\nwalk\n")
    before = describe_dataset(load_benchmark("davis", tmp_path))
    assert before["count"] == 10 and set(before["files"]) >= {"run/00000.png", "walk/00000.png"}
    # the same name in another video is another file
    for video in ("run", "walk"):
        kept = (root / video / "00003.png").read_bytes()
        (root / video / "00003.png").write_bytes((root / video / "00004.png").read_bytes())
        assert describe_dataset(load_benchmark("davis", tmp_path))["sha256"] != before["sha256"]
        (root / video / "00003.png").write_bytes(kept)
    assert describe_dataset(load_benchmark("davis", tmp_path)) == before


def test_the_report_names_everything_that_made_the_scores(tmp_path: Path) -> None:
    answers = draw_davis(tmp_path)
    run_evaluation(load_benchmark("davis", tmp_path), OracleConcepts(answers), tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not report["complete"] and report["full_size"] == 30 and report["scores"]["J&F"] == 1.0
    assert report["engine"]["name"] == "oracle" and report["settings"]["skip_ends"] is True
    assert len(report["dataset"]["files"]) == 5 and len(report["dataset"]["sha256"]) == 64
    assert report["code"]["maquette_server"] and "commit" in report["code"]
    table = (tmp_path / "out" / "report.md").read_text()
    assert "| J&F | 1 | 0.922 | SAM 3 |" in table and "| J | 1 | – |" in table


def test_the_command_explains_itself_and_its_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    app.command("eval")(evaluate)
    app.command("unused")(lambda: None)
    run = CliRunner().invoke
    text = run(app, ["eval", "--help"]).output
    assert all(name in text for name in (*TARGETS, "--shard", "--limit", "--engine", "--data", "--out"))
    # the list of commands shows the same line, without importing this one
    first = " ".join(build_command("eval", evaluate).help.partition("\n\n")[0].split())
    assert first == SUMMARIES["eval"]
    answers = draw_coco(tmp_path)
    monkeypatch.setattr(orchestration, "load_engine", lambda suite, benchmark: OracleConcepts(answers))
    folders = ["--data", str(tmp_path), "--out", str(tmp_path / "out")]
    good = run(app, ["eval", "coco", *folders])
    assert good.exit_code == 0 and "| box_AP | 1 | 0.564 | SAM 3 |" in good.output
    for words, code in (
        (["eval", "cocoo", *folders], "setting_invalid"),
        (["eval", "coco", *folders, "--shard", "3/2"], "setting_invalid"),
        (["eval", "davis", *folders], "layout_invalid"),
    ):
        bad = run(app, words)
        assert bad.exit_code == 1 and code in bad.output and "Traceback" not in bad.output
    monkeypatch.undo()
    missing = run(app, ["eval", "coco", *folders, "--engine", "sam3d_body"])
    assert missing.exit_code == 1 and "engine_unavailable" in missing.output


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_help_states_the_settings_of_a_benchmark(name: str) -> None:
    """Every one with its default: what changes nothing is taken, and there are no others."""
    target = TARGETS[name]
    settings = getattr(import_module(target.module), target.settings)()
    assert change_settings(settings, tuple(target.defaults)) == settings
    assert {each.partition("=")[0] for each in target.defaults} == {each.name for each in fields(settings)}
    explained, text = target.explain(), " ".join((build_command("eval", evaluate).help or "").split())
    assert f" {name}: {explained}" in text
    assert all(f"{default} ({meaning})" in explained for default, meaning in target.defaults.items())
    assert getattr(import_module(target.module), target.benchmark).kind == target.kind
    assert f"an engine for {target.kind}. Split {target.split}. --data has {target.files}." in explained


def test_help_shows_commands_that_can_be_typed() -> None:
    lines = (build_command("eval", evaluate).help or "").splitlines()
    examples = [line.split() for line in lines if line.strip().startswith("maquette-server eval ")]
    assert len(examples) == 4
    for words in examples:
        options = dict(zip(words[3::2], words[4::2], strict=True))
        target, suite = TARGETS[words[2]], options.pop("--engine", "default")
        assert target.kind in SUITES[suite] and {"--data", "--out"} <= set(options)
        assert set(options) <= {"--data", "--out", "--limit", "--shard", "--setting"}
        if "--setting" in options:
            settings = getattr(import_module(target.module), target.settings)()
            assert change_settings(settings, [options["--setting"]]) != settings
