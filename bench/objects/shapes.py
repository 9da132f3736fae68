"""Judges one-view reconstruction on 24 analytic shapes seen from two sides each.

    python -m bench run objects.shapes [--depth] [--label] [--views tuned|other|held] [--engine default]

Prints, per shape and in the mean: novel-view silhouette IoU over 8 views, F-score at 5% of the longest side
and at 1%, that at 5% after similarity ICP, Chamfer distance after ICP, PSNR in dB and FLIP (where
flip-evaluator is installed) of the coloured mesh from these views, the silhouette IoU of the input view, and
milliseconds. The scale, which one view cannot give, is taken from the true distance of the object's
centre.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bench.objects import appearance, painted_shapes
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import ObjectEngine
from workers.engines.registry import load_engines
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize, silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity, look_at

Array = NDArray[np.float64]
VIEWS = ((25.0, 20.0), (-50.0, 35.0))
OTHER_VIEWS = ((-15.0, 12.0), (65.0, 45.0))
# Kept for judging: not to be looked at while the engine is changed.
HELD_VIEWS = ((-35.0, 27.0), (110.0, 8.0))
VIEW_SETS = {"tuned": VIEWS, "other": OTHER_VIEWS, "held": HELD_VIEWS}
NOVEL = tuple((azimuth, elevation) for azimuth in (60.0, 120.0, 180.0, 270.0) for elevation in (-20.0, 30.0))
POINTS = 8000
ENGINES = ("default", "sam3d_objects")
SHAPE_FLAGS = ("shape_box", "shape_turned")


def box(*size: float) -> trimesh.Trimesh:
    return trimesh.creation.box(size)


def at(mesh: trimesh.Trimesh, *offset: float) -> trimesh.Trimesh:
    mesh.apply_translation(offset)
    return mesh


def join(*parts: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(parts)


def upright(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """trimesh makes solids around z; here y is up."""
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def turned(*profile: tuple[float, float]) -> trimesh.Trimesh:
    """A solid of revolution about y from (radius, height) pairs."""
    return upright(trimesh.creation.revolve(np.asarray(profile, dtype=np.float64), sections=48))


def ball(*radii: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(4)
    mesh.apply_scale(radii)
    return mesh


def prism(outline: Array, height: float) -> trimesh.Trimesh:
    """A star-shaped outline (N, 2) extruded along y."""
    count = len(outline)
    flat = np.column_stack([outline[:, 0], np.zeros(count), outline[:, 1]])
    points = np.vstack([flat, flat + np.array([0, height, 0]), [[0, 0, 0], [0, height, 0]]])
    k = np.arange(count)
    n = (k + 1) % count
    bottom, top = np.full(count, 2 * count), np.full(count, 2 * count + 1)
    faces = np.vstack(
        [
            np.column_stack([k, n, bottom]),
            np.column_stack([n + count, k + count, top]),
            np.column_stack([k, k + count, n]),
            np.column_stack([n, k + count, n + count]),
        ]
    )
    mesh = trimesh.Trimesh(points, faces)
    mesh.fix_normals()
    return mesh


def star() -> trimesh.Trimesh:
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radius = np.where(np.arange(10) % 2, 0.45, 1.0)
    return prism(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), 0.4)


def legs(x: float, z: float, height: float, width: float) -> list[trimesh.Trimesh]:
    return [at(box(width, height, width), sx * x, -height / 2, sz * z) for sx in (-1, 1) for sz in (-1, 1)]


def mug() -> trimesh.Trimesh:
    body = turned((0, 0), (0.5, 0), (0.5, 1.1), (0.42, 1.1), (0.42, 0.1), (0, 0.1))
    handle = trimesh.creation.torus(0.3, 0.07, major_sections=32, minor_sections=12)
    return join(body, at(handle, 0.6, 0.55, 0))


SHAPES: dict[str, tuple[str, Callable[[], trimesh.Trimesh]]] = {
    "sphere": ("ball", lambda: ball(1, 1, 1)),
    "egg": ("apple", lambda: ball(0.8, 1, 0.8)),
    "pebble": ("stone", lambda: ball(1, 0.5, 0.8)),
    "cube": ("box", lambda: box(1, 1, 1)),
    "book": ("book", lambda: box(1, 0.2, 0.7)),
    "carton": ("box", lambda: box(0.6, 1.2, 0.4)),
    "plank": ("plank", lambda: box(1.6, 0.15, 0.3)),
    "can": ("can", lambda: upright(trimesh.creation.cylinder(0.5, 1.2))),
    "plate": ("plate", lambda: upright(trimesh.creation.cylinder(1.0, 0.2))),
    "pole": ("pole", lambda: upright(trimesh.creation.cylinder(0.12, 2.0))),
    "cone": ("cone", lambda: upright(trimesh.creation.cone(0.6, 1.3))),
    "capsule": ("capsule", lambda: upright(trimesh.creation.capsule(1.0, 0.4))),
    "torus": ("donut", lambda: upright(trimesh.creation.torus(0.7, 0.25))),
    "ring": ("ring", lambda: upright(trimesh.creation.annulus(0.6, 0.9, 0.3))),
    "bottle": (
        "bottle",
        lambda: turned((0, 0), (0.35, 0), (0.35, 1.0), (0.12, 1.35), (0.12, 1.7), (0, 1.7)),
    ),
    "vase": ("vase", lambda: turned((0, 0), (0.3, 0), (0.55, 0.5), (0.25, 1.0), (0.4, 1.2), (0, 1.2))),
    "bowl": ("bowl", lambda: turned((0, 0), (0.4, 0), (0.9, 0.6), (0.82, 0.6), (0.36, 0.08), (0, 0.08))),
    "mug": ("cup", mug),
    "dumbbell": (
        "dumbbell",
        lambda: join(
            at(ball(0.4, 0.4, 0.4), -0.8, 0, 0), at(ball(0.4, 0.4, 0.4), 0.8, 0, 0), box(1.4, 0.2, 0.2)
        ),
    ),
    "ell": ("bracket", lambda: join(box(1, 0.35, 0.5), at(box(0.35, 0.8, 0.5), -0.325, 0.575, 0))),
    "table": ("dining table", lambda: join(box(1.6, 0.1, 1.0), *legs(0.7, 0.4, 0.8, 0.1))),
    "chair": (
        "chair",
        lambda: join(box(0.9, 0.1, 0.9), at(box(0.9, 0.9, 0.1), 0, 0.45, -0.4), *legs(0.4, 0.4, 0.8, 0.1)),
    ),
    "star": ("star", star),
    "snowman": ("snowman", lambda: join(ball(0.6, 0.6, 0.6), at(ball(0.4, 0.4, 0.4), 0, 0.8, 0))),
}


@dataclass(frozen=True)
class Scores:
    """One reconstruction against the truth."""

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


def orbit(azimuth: float, elevation: float, distance: float) -> Similarity:
    a, e = np.radians(azimuth), np.radians(elevation)
    eye = distance * np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    return look_at(eye, [0, 0, 0])


def middle(points: Array) -> Array:
    """The centre (3,) of the axis-aligned box of points (N, 3)."""
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def f_score(a: Array, b: Array, limit: float) -> float:
    near = [float((cKDTree(x).query(y)[0] <= limit).mean()) for x, y in ((a, b), (b, a))]
    return 2 * near[0] * near[1] / max(sum(near), 1e-12)


def chamfer(a: Array, b: Array) -> float:
    return float(cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean()) / 2


def icp(moving: Array, fixed: Array, rounds: int = 30) -> Array:
    """Similarity ICP (Umeyama 1991), matching both ways so that the scale does not shrink."""
    tree = cKDTree(fixed)
    for _ in range(rounds):
        there, back = tree.query(moving)[1], cKDTree(moving).query(fixed)[1]
        a, b = np.vstack([moving, moving[back]]), np.vstack([fixed[there], fixed])
        ma, mb = a.mean(axis=0), b.mean(axis=0)
        u, s, vt = np.linalg.svd((b - mb).T @ (a - ma))
        sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ sign @ vt
        scale = float((s * np.diag(sign)).sum() / ((a - ma) ** 2).sum())
        moving = scale * (moving - ma) @ rotation.T + mb
    return moving


def judge(
    engine: ObjectEngine,
    mesh: trimesh.Trimesh,
    view: tuple[float, float],
    *,
    side: int = 256,
    depth: bool = False,
    label: str | None = None,
    quick: bool = False,
) -> Scores:
    """Reconstruct `mesh` from one view of a camera of 40 degrees, and compare in the camera frame.

    `quick` leaves out ICP and pictures: their scores are then those before ICP, and NaN.
    """
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    vertices = vertices / np.ptp(vertices, axis=0).max()
    faces = np.asarray(mesh.faces, dtype=np.int64)
    camera = Camera.with_field_of_view(side, side, 40.0)
    distance = 2.6
    truth = orbit(*view, distance).apply(vertices)
    seen = rasterize(truth, faces, camera)
    mask = seen.face >= 0
    paint = painted_shapes.coated(mesh, "waves")
    shown = (orbit(*view, distance).apply(paint.vertices), paint.faces, paint.colors)
    image, _ = appearance.photograph(shown, PosedCamera(camera, Similarity()))
    measured = np.where(mask, seen.depth, np.nan).astype(np.float32) if depth else None
    start = time.perf_counter()
    asset = engine.reconstruct(image, mask, camera=camera, depth=measured, label=label)
    milliseconds = 1e3 * (time.perf_counter() - start)
    points = asset.pose.apply(asset.mesh.vertices)
    outline = silhouette(points, asset.mesh.faces, camera)
    input_iou = mask_iou(outline, mask)
    if asset.scale_source == "relative":
        points = points * (middle(truth)[2] / middle(points)[2])
    samples = sample_surface(truth, faces, POINTS, 0)
    goal = samples.interpolate(truth, faces)
    samples = sample_surface(points, asset.mesh.faces, POINTS, 0)
    made = samples.interpolate(points, asset.mesh.faces)
    center = np.array([0.0, 0.0, distance])
    cameras = [orbit(azimuth, elevation, distance) for azimuth, elevation in NOVEL]
    turned_truth, turned_points = ((part - center) * [1, -1, -1] for part in (truth, points))
    overlaps = []
    for cam in cameras:
        one = silhouette(cam.apply(turned_truth), faces, camera)
        two = silhouette(cam.apply(turned_points), asset.mesh.faces, camera)
        overlaps.append(mask_iou(one, two))
    looks = (float("nan"), float("nan"))
    if not quick:
        assert asset.mesh.colors is not None
        looks = appearance.likeness(
            (turned_points, asset.mesh.faces, asset.mesh.colors),
            ((shown[0] - center) * [1, -1, -1], *shown[1:]),
            camera,
            cameras,
        )
    aligned = made if quick else icp(made, goal)
    return Scores(
        novel_iou=float(np.mean(overlaps)),
        f_score=f_score(made, goal, 0.05),
        fine_f_score=f_score(made, goal, 0.01),
        icp_f_score=f_score(aligned, goal, 0.05),
        icp_chamfer=chamfer(aligned, goal),
        psnr=looks[0],
        flip=looks[1],
        input_iou=input_iou,
        milliseconds=milliseconds,
        kind=next((flag[6:] for flag in asset.flags if flag in SHAPE_FLAGS), "inflated"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", action="store_true", help="give the true depth of the front")
    parser.add_argument("--label", action="store_true", help="give the shape's everyday name")
    parser.add_argument("--views", choices=tuple(VIEW_SETS), default="tuned", help="see VIEW_SETS")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="if it runs here")
    args = parser.parse_args()
    engine = load_engines(args.engine).objects()
    judge(engine, ball(1, 1, 1), VIEWS[0])
    header()
    rows = []
    for name, (word, make) in SHAPES.items():
        word_given = word if args.label else None
        found = [
            judge(engine, make(), view, side=args.side, depth=args.depth, label=word_given)
            for view in VIEW_SETS[args.views]
        ]
        row = np.array([values(score) for score in found])
        rows.append(row)
        line(name, row.mean(axis=0), " ".join(s.kind for s in found))
    together = np.concatenate(rows)
    line("mean", together.mean(axis=0))
    print(f"lowest input IoU {together[:, 7].min():.4f}, slowest {together[:, 8].max():.0f} ms")


def values(score: Scores) -> Array:
    """The figures (9,) in the order of `header`."""
    return np.array(
        [
            score.novel_iou,
            score.f_score,
            score.fine_f_score,
            score.icp_f_score,
            score.icp_chamfer,
            score.psnr,
            score.flip,
            score.input_iou,
            score.milliseconds,
        ]
    )


def header() -> None:
    """Print the names of the columns."""
    names = f"{'shape':10} {'IoU':>6} {'F@.05':>6} {'F@.01':>6} {'ICP-F':>6} {'ICP-CD':>7}"
    print(f"{names} {'PSNR':>5} {'FLIP':>5} {'input':>6} {'ms':>5}")


def line(name: str, figures: Array, kinds: str = "") -> None:
    """Print one row."""
    iou, f, fine, icp_f, cd, quality, error, seen, ms = figures
    shape = f"{name:10} {iou:6.3f} {f:6.3f} {fine:6.3f} {icp_f:6.3f} {cd:7.4f}"
    print(f"{shape} {quality:5.1f} {error:5.3f} {seen:6.4f} {ms:5.0f} {kinds}")


if __name__ == "__main__":
    main()
