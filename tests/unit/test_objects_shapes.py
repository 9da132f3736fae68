"""Reconstruction against shapes whose other sides are known. `bench/objects_shapes.py` holds the shapes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from workers.engines.objects.default import DefaultObjects

PATH = Path(__file__).parents[2] / "bench" / "objects_shapes.py"
SPEC = importlib.util.spec_from_file_location("objects_shapes", PATH)
bench = importlib.util.module_from_spec(SPEC)
sys.modules["objects_shapes"] = bench
SPEC.loader.exec_module(bench)

ENGINE = DefaultObjects(splats=100)
ROUND = ("sphere", "egg", "can", "capsule", "vase", "snowman")


def scores(name, **options):
    return [
        bench.judge(ENGINE, bench.SHAPES[name][1](), view, side=160, with_icp=False, **options)
        for view in bench.VIEWS
    ]


@pytest.mark.parametrize("name", ["sphere", "cube", "can", "torus", "mug", "table"])
def test_outline_of_rendered_shapes(name):
    assert min(score.input_iou for score in scores(name)) >= 0.97


def test_round_shapes_look_right_from_elsewhere(record_property):
    found = [score for name in ROUND for score in scores(name)]
    iou = float(np.mean([score.novel_iou for score in found]))
    f_score = float(np.mean([score.f_score for score in found]))
    record_property("novel_iou", iou)
    record_property("f_score", f_score)
    assert iou >= 0.75
    assert f_score >= 0.60


def test_a_sphere_is_nearly_a_sphere():
    assert min(score.novel_iou for score in scores("sphere")) >= 0.90


def test_depth_helps_where_the_outline_says_little():
    for name in ("plate", "pole", "table"):
        guessed = np.mean([score.novel_iou for score in scores(name)])
        measured = np.mean([score.novel_iou for score in scores(name, depth=True)])
        assert measured > guessed + 0.05


def test_f_score_and_icp_of_the_bench_tell_good_from_bad():
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(4000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert bench.f_score(ball, ball, 0.05) == 1
    assert bench.f_score(ball, ball * 1.2, 0.05) == 0
    assert bench.chamfer(ball, bench.icp(1.1 * ball + 0.05, ball)) < 0.02


def test_a_known_word_makes_flat_things_flat():
    image, mask = np.zeros((90, 90, 3), np.uint8), np.pad(np.ones((50, 50), bool), 20)
    flat, plain = (ENGINE.reconstruct(image, mask, label=label) for label in ("TV", None))
    assert "shape_prior" in flat.flags and "shape_prior" not in plain.flags
    assert flat.silhouette_iou >= 0.97
    ratio = np.ptp(flat.mesh.vertices[:, 2]) / np.ptp(plain.mesh.vertices[:, 2])
    assert ratio == pytest.approx(0.3, abs=0.06)
