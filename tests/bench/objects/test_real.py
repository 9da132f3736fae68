"""The bench of real objects: its scores of the truth itself, its views, and its reliability curve."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from bench.objects.analytic_shapes import mug
from bench.objects.real import place_in_world, report_reliability, score_real
from bench.objects.real_meshes import RealMesh, draw_view
from bench.report import Report
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity


def build_mesh():
    truth = mug()
    vertices = np.asarray(truth.vertices) - truth.bounds.mean(axis=0)
    vertices /= np.ptp(vertices, axis=0).max()
    colors = np.full((len(vertices), 3), 150, np.uint8)
    return RealMesh("mug", 12.0, vertices, np.asarray(truth.faces, dtype=np.int64), colors)


class TruthTeller:
    """An engine that knows the answer, up to its distance."""

    def __init__(self, mesh, view, scale=0.4):
        self.asset = SimpleNamespace(
            mesh=Mesh(mesh.vertices, mesh.faces, mesh.colors),
            pose=Similarity(scale=scale).compose(view.pose),
            camera=view.camera,
            scale_source="relative",
            flags=(),
            confidence=0.5,
        )

    def reconstruct(self, image, mask, **options):
        return self.asset


@pytest.mark.parametrize("aside", [False, True])
def test_views_show_the_complete_object_where_they_should(aside):
    mesh = build_mesh()
    for seed in range(40):
        view = draw_view(mesh, np.random.default_rng(seed), 128, aside=aside)
        pixels = view.camera.project(view.pose.apply(mesh.vertices))
        assert pixels.min() > 0 and pixels.max() < 128
        offset = np.abs((pixels.min(axis=0) + pixels.max(axis=0)) / 2 - 64).max()
        assert (offset > 8) if aside else (offset < 16)


@pytest.mark.slow
def test_the_truth_scores_full_marks_whatever_its_distance():
    mesh = build_mesh()
    view = draw_view(mesh, np.random.default_rng(1), 128)
    scores, asset = score_real(TruthTeller(mesh, view), mesh, view, mesh.sample_outer_surface(1500))
    assert np.abs(place_in_world(asset, mesh, view) - mesh.vertices).max() < 1e-6
    assert scores.figures[0] > 0.99 and scores.figures[3] > 0.99
    assert scores.figures[1] > 0.95 and scores.figures[2] > 0.95


def test_the_calibration_error_is_the_mean_distance_of_confidence_and_measure():
    report = Report(bench="objects.real", options={}, stream=io.StringIO())
    report_reliability(report, np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.2, 0.2, 1.0, 0.6]))
    assert report.figures["expected_calibration_error"] == pytest.approx(0.1)
