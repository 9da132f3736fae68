"""One reconstruction from one view against the solid that was rendered, seen from eight other sides."""

import time
from dataclasses import astuple, dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from bench.objects.appearance import Surface, compare_appearance, photograph
from bench.objects.metrics import POINTS, align_similarity, chamfer, f_score
from bench.objects.painted_shapes import paint_mesh
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import ObjectEngine
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity, look_at

Array = NDArray[np.float64]
# Azimuths and elevations in degrees of the views that nothing was reconstructed from.
NOVEL = tuple((azimuth, elevation) for azimuth in (60.0, 120.0, 180.0, 270.0) for elevation in (-20.0, 30.0))
# Distance of the cameras in longest sides, and their field of view in degrees.
DISTANCE, FIELD_OF_VIEW = 2.6, 40.0
SHAPE_FLAGS = ("shape_box", "shape_turned")
# Columns of a table of scores, and their formats.
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
    """One reconstruction against the truth, in the order of `COLUMNS`."""

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

    def values(self) -> Array:
        """The figures (9,) without the kind."""
        return np.array(astuple(self)[:-1], dtype=np.float64)


@dataclass(frozen=True)
class Truth:
    """A solid of longest side 1 in the frame of the camera that photographs it."""

    surface: Surface
    camera: Camera
    mask: NDArray[np.bool_]
    depth: NDArray[np.float64]
    image: NDArray[np.uint8]
    paint: Surface


def orbit(azimuth: float, elevation: float, distance: float) -> Similarity:
    """`cam_from_world` of a camera that looks at the origin; degrees."""
    a, e = np.radians(azimuth), np.radians(elevation)
    eye = distance * np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    return look_at(eye, [0, 0, 0])


def photograph_solid(mesh: trimesh.Trimesh, view: tuple[float, float], side: int) -> Truth:
    """The solid scaled to longest side 1, seen from (azimuth, elevation) in an image of side x side."""
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    vertices = vertices / np.ptp(vertices, axis=0).max()
    faces = np.asarray(mesh.faces, dtype=np.int64)
    camera = Camera.with_field_of_view(side, side, FIELD_OF_VIEW)
    placed = orbit(*view, DISTANCE).apply(vertices)
    fragments = rasterize(placed, faces, camera)
    paint = paint_mesh(mesh, "waves")
    painted = (orbit(*view, DISTANCE).apply(paint.vertices), paint.faces, paint.colors)
    image, _ = photograph(painted, PosedCamera(camera, Similarity()))
    grey = np.full((len(placed), 3), 128, np.uint8)
    return Truth((placed, faces, grey), camera, fragments.face >= 0, fragments.depth, image, painted)


def evaluate_view(
    engine: ObjectEngine,
    mesh: trimesh.Trimesh,
    view: tuple[float, float],
    *,
    side: int = 256,
    depth: bool = False,
    label: str | None = None,
    quick: bool = False,
) -> Scores:
    """Reconstruct `mesh` from one view and compare in the camera frame.

    The scale, which one view cannot give, is taken from the true distance of the object's centre. `quick`
    leaves out ICP and images: their scores are then those before ICP, and NaN.
    """
    truth = photograph_solid(mesh, view, side)
    measured = np.where(truth.mask, truth.depth, np.nan).astype(np.float32) if depth else None
    start = time.perf_counter()
    asset = engine.reconstruct(truth.image, truth.mask, camera=truth.camera, depth=measured, label=label)
    milliseconds = 1e3 * (time.perf_counter() - start)
    points, faces = asset.pose.apply(asset.mesh.vertices), asset.mesh.faces
    input_iou = mask_iou(silhouette(points, faces, truth.camera), truth.mask)
    if asset.scale_source == "relative":
        points = points * (_box_centre(truth.surface[0])[2] / _box_centre(points)[2])
    assert asset.mesh.colors is not None
    result = (points, faces, asset.mesh.colors)
    expected, actual = _sample(truth.surface), _sample(result)
    aligned = actual if quick else align_similarity(actual, expected)
    psnr, flip = (float("nan"), float("nan")) if quick else _compare_appearances(result, truth)
    return Scores(
        novel_iou=_mean_novel_iou(result, truth),
        f_score=f_score(actual, expected, 0.05),
        fine_f_score=f_score(actual, expected, 0.01),
        icp_f_score=f_score(aligned, expected, 0.05),
        icp_chamfer=chamfer(aligned, expected),
        psnr=psnr,
        flip=flip,
        input_iou=input_iou,
        milliseconds=milliseconds,
        kind=next((flag[6:] for flag in asset.flags if flag in SHAPE_FLAGS), "inflated"),
    )


def _mean_novel_iou(result: Surface, truth: Truth) -> float:
    overlaps = []
    for azimuth, elevation in NOVEL:
        pose = orbit(azimuth, elevation, DISTANCE)
        masks = [
            silhouette(pose.apply(_around_centre(surface)[0]), surface[1], truth.camera)
            for surface in (truth.surface, result)
        ]
        overlaps.append(mask_iou(*masks))
    return float(np.mean(overlaps))


def _compare_appearances(result: Surface, truth: Truth) -> tuple[float, float]:
    poses = [orbit(azimuth, elevation, DISTANCE) for azimuth, elevation in NOVEL]
    return compare_appearance(_around_centre(result), _around_centre(truth.paint), truth.camera, poses)


def _around_centre(surface: Surface) -> Surface:
    """A surface in the camera frame, moved to the origin and turned so that y is up."""
    vertices, faces, colors = surface
    return (vertices - np.array([0.0, 0.0, DISTANCE])) * [1, -1, -1], faces, colors


def _sample(surface: Surface) -> Array:
    vertices, faces, _ = surface
    return sample_surface(vertices, faces, POINTS, 0).interpolate(vertices, faces)


def _box_centre(points: Array) -> Array:
    """The centre (3,) of the axis-aligned bounding box of points (N, 3)."""
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)
