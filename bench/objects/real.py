"""Reconstruction from one view, on real objects that nothing was trained or tuned on.

    python -m scripts.training.lay_out_meshes sweethome3d-furniture_*.deb
    python -m bench run objects.real [--meshes build/meshes] [--count 80] [--depth] [--aside] [--no-camera]
        [--without learned]

Every held-out object is seen once, at a pitch from 5 to 50 degrees, by a camera drawn from the seed. Per size
class and in the mean: silhouette IoU over 8 novel views, F-score at 5% of the longest side of the surface
that is seen from outside, the same after similarity ICP, IoU with the mask of the input view, milliseconds,
and which hypotheses were taken. The size, which one view cannot give, is taken from the truth. `--training`
takes objects that training may use: for choosing, never for judging.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.objects.geometry_scores import f_score, icp, orbit
from bench.objects.real_meshes import Array, RealMesh, RealView, draw_view, load_meshes
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.single_view import shape_selection
from workers.engines.objects.single_view.shape_selection import HYPOTHESES
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import ObjectAsset, ObjectEngine
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, render_mesh, silhouette
from workers.geometry.overlap import mask_iou

POINTS = 4000
NOVEL = tuple((a, e) for a in (60.0, 120.0, 180.0, 270.0) for e in (-20.0, 30.0))
NOVEL_CAMERA, NOVEL_DISTANCE = Camera.with_field_of_view(160, 160, 30), 3.6
COLUMNS = {"IoU": ".3f", "F@.05": ".3f", "ICP-F": ".3f", "input IoU": ".4f", "ms": ".0f"}
KINDS = ("box", "turned", "learned")
# Bins of confidence in the reliability curve.
BINS = 5


@dataclass(frozen=True)
class RealScores:
    """One reconstruction against the truth; `figures` (5,) in the order of COLUMNS."""

    name: str
    figures: Array
    kind: str
    confidence: float


def photograph_real(
    mesh: RealMesh, view: RealView
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float64]]:
    """The shaded image (H, W, 3), the mask (H, W) and the depth (H, W) of a view."""
    image, depth = render_mesh(
        mesh.vertices,
        mesh.faces,
        mesh.colors,
        view.camera,
        view.pose,
        background=(120, 130, 125),
        ambient=0.6,
    )
    return image, np.isfinite(depth), depth


def place_in_world(asset: ObjectAsset, mesh: RealMesh, view: RealView) -> Array:
    """The asset's vertices (V, 3) in the truth's frame; without a metric scale, at its true distance."""
    points = asset.pose.apply(asset.mesh.vertices)
    if asset.scale_source == "relative":
        truth = view.pose.apply(mesh.vertices)
        middle, ours = ((p.min(axis=0) + p.max(axis=0)) / 2 for p in (truth, points))
        # another focal length sees another size at the same depth
        points = points * (middle[2] / view.camera.fx) / (ours[2] / asset.camera.fx)
        points[:, 2] += middle[2] - (points[:, 2].min() + points[:, 2].max()) / 2
        if asset.camera.source == "assumed":
            points[:, :2] += middle[:2] - (points[:, :2].min(axis=0) + points[:, :2].max(axis=0)) / 2
    return view.pose.inverse().apply(points)


def score_real(
    engine: ObjectEngine,
    mesh: RealMesh,
    view: RealView,
    goal: Array,
    *,
    depth: bool = False,
    knows_camera: bool = True,
) -> tuple[RealScores, ObjectAsset]:
    """Reconstruct a mesh from one view, and compare it with its outer surface points `goal` (N, 3)."""
    image, mask, true_depth = photograph_real(mesh, view)
    measured = np.where(mask, true_depth, np.nan).astype(np.float32) if depth else None
    start = time.perf_counter()
    asset = engine.reconstruct(image, mask, camera=view.camera if knows_camera else None, depth=measured)
    milliseconds = 1e3 * (time.perf_counter() - start)
    points = place_in_world(asset, mesh, view)
    faces = asset.mesh.faces
    samples = sample_surface(points, faces, POINTS, 0).interpolate(points, faces)
    novel = np.mean(
        [
            mask_iou(*(silhouette(orbit(*side, NOVEL_DISTANCE).apply(v), f, NOVEL_CAMERA) for v, f in pair))
            for side in NOVEL
            for pair in [((points, faces), (mesh.vertices, mesh.faces))]
        ]
    )
    drawn = rasterize(view.pose.apply(points), faces, view.camera).face >= 0
    kind = next((kind for kind in KINDS if f"shape_{kind}" in asset.flags), "inflated")
    figures = np.array(
        [
            float(novel),
            f_score(samples, goal, 0.05),
            f_score(icp(samples, goal), goal, 0.05),
            # seen through another focal length, the asset's outline is compared by its own camera
            mask_iou(drawn, mask) if knows_camera else float(asset.silhouette_iou or 0),
            milliseconds,
        ]
    )
    return RealScores(mesh.name, figures, kind, float(asset.confidence or 0)), asset


def choose_meshes(folder: Path, count: int, *, held: bool) -> list[RealMesh]:
    """`count` meshes of a split, evenly over its list."""
    return thin_out(list(load_meshes(folder, held=held)), count)


def thin_out(meshes: list[RealMesh], count: int) -> list[RealMesh]:
    """At most `count` meshes, evenly over a list."""
    chosen = np.unique(np.linspace(0, len(meshes) - 1, min(count, len(meshes))).astype(np.int64))
    return [meshes[index] for index in chosen]


def report_reliability(report: Report, confidence: Array, measured: Array) -> None:
    """Predicted against measured F@.05 (N,) in bins of confidence, and the expected calibration error."""
    table = report.table(
        "Reliability", {"confidence": "", "objects": "", "mean": ".3f", "F@.05": ".3f", "deviation": ".3f"}
    )
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        here = bins == number
        mean, score = float(confidence[here].mean()), float(measured[here].mean())
        error += float(here.mean()) * abs(mean - score)
        name = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
        table.add(name, int(here.sum()), mean, score, float(measured[here].std()))
    report.add({"expected_calibration_error": error})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, default=Path("build/meshes"))
    parser.add_argument("--count", type=int, default=80, help="how many objects")
    parser.add_argument("--seed", type=int, default=7, help="of the views; 7 is kept for judging")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--depth", action="store_true", help="give the true depth of the front")
    parser.add_argument("--aside", action="store_true", help="the object stands away from the image's centre")
    parser.add_argument("--no-camera", action="store_true", help="the focal length is unknown")
    parser.add_argument("--training", action="store_true", help="objects that training may use")
    parser.add_argument("--without", default="", help="hypotheses to leave out, such as learned")
    parser.add_argument("--each", action="store_true", help="also report every object")


def run(options: argparse.Namespace, report: Report) -> None:
    left_out = options.without.split(",")
    kept = tuple(hypothesis for hypothesis in HYPOTHESES if hypothesis.name not in left_out)
    shape_selection.HYPOTHESES = kept
    engine = DefaultObjects(splats=1000)
    scores: list[tuple[str, RealScores]] = []
    each = report.table("Objects", {"object": "", **COLUMNS, "confidence": ".3f", "hypothesis": ""})
    for index, mesh in enumerate(choose_meshes(options.meshes, options.count, held=not options.training)):
        rng = np.random.default_rng([options.seed, index])
        view = draw_view(mesh, rng, options.side, aside=options.aside)
        score, _ = score_real(
            engine,
            mesh,
            view,
            mesh.sample_outer_surface(POINTS),
            depth=options.depth,
            knows_camera=not options.no_camera,
        )
        scores.append((mesh.kind, score))
        if options.each:
            each.add(mesh.name, *score.figures, score.confidence, score.kind)
    table = report.table("Classes", {"class": "", "objects": "", **COLUMNS, "hypotheses": ""})
    for name in ("handheld", "furniture", "all"):
        chosen = [score for kind, score in scores if name in (kind, "all")]
        if chosen:
            kinds = Counter(score.kind for score in chosen)
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            table.add(name, len(chosen), *np.mean([score.figures for score in chosen], axis=0), counts)
    report_reliability(
        report,
        np.array([score.confidence for _, score in scores]),
        np.array([score.figures[1] for _, score in scores]),
    )
