"""Reconstruction of a mesh from one view, against that mesh."""

import time
from dataclasses import dataclass, fields

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects.appearance import Surface, compare_appearance, photograph
from bench.objects.geometry_scores import chamfer, f_score, icp, orbit
from bench.objects.painted_shapes import paint_mesh
from bench.report import Table
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import ObjectAsset, ObjectEngine
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
# (azimuth, elevation) in degrees
View = tuple[float, float]
NOVEL_VIEWS: tuple[View, ...] = tuple((a, e) for a in (60.0, 120.0, 180.0, 270.0) for e in (-20.0, 30.0))
FIELD_OF_VIEW = 40.0
# from the camera to the centre of a shape whose longest side is 1
DISTANCE = 2.6
POINTS = 8000
SHAPE_FLAGS = ("shape_box", "shape_turned", "shape_learned")
COLUMNS = {
    "IoU": ".3f",
    "F@.05": ".3f",
    "F@.01": ".3f",
    "ICP-F": ".3f",
    "ICP-CD": ".4f",
    "PSNR": ".1f",
    "FLIP": ".3f",
    "input IoU": ".4f",
    "ms": ".0f",
}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One reconstruction against the truth.

    `novel_iou` is of silhouettes in NOVEL_VIEWS, `input_iou` in the given view. F-scores are at 5% and
    (`fine`) 1% of the longest side; those with `icp` after similarity ICP. `kind` names the chosen
    shape hypothesis.
    """

    novel_iou: float
    f_score: float
    fine_f_score: float
    icp_f_score: float
    icp_chamfer: float
    psnr: float
    flip: float
    input_iou: float
    milliseconds: float
    kind: str

    @property
    def figures(self) -> Array:
        """All numbers (9,), in the order of COLUMNS."""
        return np.array([getattr(self, field.name) for field in fields(self) if field.name != "kind"])


def score_single_view(
    engine: ObjectEngine,
    mesh: trimesh.Trimesh,
    view: View,
    *,
    side: int = 256,
    depth: bool = False,
    label: str | None = None,
    quick: bool = False,
) -> Scores:
    """Reconstruct `mesh` from one view, and compare in the camera frame.

    The scale, which one view cannot give, is taken from the true distance of the object's centre. `quick`
    leaves out ICP and appearance: these scores are then those before ICP, and NaN.
    """
    camera = Camera.with_field_of_view(side, side, FIELD_OF_VIEW)
    pose = orbit(*view, DISTANCE)
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    truth = pose.apply(vertices / np.ptp(vertices, axis=0).max())
    faces = np.asarray(mesh.faces, dtype=np.int64)
    raster = rasterize(truth, faces, camera)
    mask = raster.face >= 0
    paint = paint_mesh(mesh, "waves")
    painted = (pose.apply(paint.vertices), paint.faces, paint.colors)
    image, _ = photograph(painted, PosedCamera(camera, Similarity()))
    measured = np.where(mask, raster.depth, np.nan).astype(np.float32) if depth else None
    start = time.perf_counter()
    asset = engine.reconstruct(image, mask, camera=camera, depth=measured, label=label)
    milliseconds = 1e3 * (time.perf_counter() - start)
    points = asset.pose.apply(asset.mesh.vertices)
    input_iou = mask_iou(silhouette(points, asset.mesh.faces, camera), mask)
    if asset.scale_source == "relative":
        points = points * (_middle(truth)[2] / _middle(points)[2])
    goal = _sample(truth, faces)
    samples = _sample(points, asset.mesh.faces)
    aligned = samples if quick else icp(samples, goal)
    psnr, flip = (np.nan, np.nan) if quick else _compare_colors(asset, points, painted, camera)
    return Scores(
        novel_iou=_novel_iou((points, asset.mesh.faces), (truth, faces), camera),
        f_score=f_score(samples, goal, 0.05),
        fine_f_score=f_score(samples, goal, 0.01),
        icp_f_score=f_score(aligned, goal, 0.05),
        icp_chamfer=chamfer(aligned, goal),
        psnr=psnr,
        flip=flip,
        input_iou=input_iou,
        milliseconds=milliseconds,
        kind=next((flag.removeprefix("shape_") for flag in asset.flags if flag in SHAPE_FLAGS), "inflated"),
    )


def add_mean(table: Table, *head: object, scores: list[Scores], tail: str = "") -> None:
    """Add the means of some scores to a table of COLUMNS between `head` and `tail`."""
    table.add(*head, *np.mean([score.figures for score in scores], axis=0), tail)


def _novel_iou(
    ours: tuple[Array, NDArray[np.int64]], truth: tuple[Array, NDArray[np.int64]], camera: Camera
) -> float:
    overlaps = []
    for view in NOVEL_VIEWS:
        masks = [
            silhouette(orbit(*view, DISTANCE).apply(_to_world(points)), faces, camera)
            for points, faces in (ours, truth)
        ]
        overlaps.append(mask_iou(*masks))
    return float(np.mean(overlaps))


def _compare_colors(
    asset: ObjectAsset, points: Array, painted: Surface, camera: Camera
) -> tuple[float, float]:
    assert asset.mesh.colors is not None
    return compare_appearance(
        (_to_world(points), asset.mesh.faces, asset.mesh.colors),
        (_to_world(painted[0]), *painted[1:]),
        camera,
        [orbit(*view, DISTANCE) for view in NOVEL_VIEWS],
    )


def _to_world(points: Array) -> Array:
    """Camera coordinates in a frame about the true centre, y up and z towards the camera."""
    return (points - [0.0, 0.0, DISTANCE]) * [1, -1, -1]


def _sample(vertices: Array, faces: NDArray[np.int64]) -> Array:
    return sample_surface(vertices, faces, POINTS, 0).interpolate(vertices, faces)


def _middle(points: Array) -> Array:
    """The centre (3,) of the axis-aligned box of points (N, 3)."""
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)
