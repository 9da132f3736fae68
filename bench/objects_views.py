"""Judges reconstruction from several views on textured shapes, over arcs of 30 to 360 degrees.

    python bench/objects_views.py [--shapes vase,mug] [--arcs 30,360] [--views 24] [--side 256] [--refine]

The cameras look down by 25 degrees and are given. Prints F-score at 5% of the longest side, Chamfer distance,
the mean IoU with the masks, the PSNR of the coloured mesh on views between the given ones, seconds, and the
dB that refining the splat gains on held-out views.
"""

import argparse
import time

import numpy as np
import objects_shapes as one
from numpy.typing import NDArray

from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.surfels import sample_surface
from workers.geometry.cameras import Camera
from workers.geometry.posed import PosedCamera
from workers.geometry.raster import rasterize, render

SHAPES = ("egg", "carton", "bottle", "vase", "mug", "ell", "table", "chair", "star", "snowman")
ARCS = (30, 60, 90, 180, 360)
DISTANCE, ELEVATION = 2.6, 25.0


def textured(name: str) -> tuple[one.Array, NDArray[np.int64], NDArray[np.uint8]]:
    """A shape of longest side 1, subdivided, with colours that vary over it."""
    mesh = one.SHAPES[name][1]()
    while len(mesh.faces) < 6000:
        mesh = mesh.subdivide()
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    vertices = vertices / np.ptp(vertices, axis=0).max()
    waves = np.sin(vertices @ np.array([[14.0, 3, 5], [4, 17, 6], [7, 2, 15]]))
    return vertices, np.asarray(mesh.faces, dtype=np.int64), (128 + 100 * waves).astype(np.uint8)


def ring(count: int, arc: float, camera: Camera, shift: float = 0.0) -> list[PosedCamera]:
    """Cameras along an arc about the origin; a closed circle does not end where it began."""
    steps = np.arange(count) / (count if arc == 360 else count - 1)
    return [PosedCamera(camera, one.orbit(arc * (s - 0.5) + 20 + shift, ELEVATION, DISTANCE)) for s in steps]


def photograph(
    shape: tuple[one.Array, NDArray[np.int64], NDArray[np.uint8]], view: PosedCamera
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """What a camera sees, unshaded, and the mask."""
    vertices, faces, colors = shape
    image, depth = render(
        vertices, faces, colors, view.camera, view.cam_from_world, background=(90, 120, 90), ambient=1.0
    )
    return image, np.isfinite(depth)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Peak signal to noise in dB over some pixels."""
    error = (a[where].astype(np.float64) - b[where]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-12)))


def judge(engine: DefaultObjects, name: str, arc: float, count: int, side: int) -> list[float]:
    """F-score, Chamfer, IoU with the masks, held-out PSNR of the mesh, seconds."""
    shape = textured(name)
    camera = Camera.with_field_of_view(side, side, 40.0)
    views = ring(count, arc, camera)
    seen = [photograph(shape, view) for view in views]
    start = time.perf_counter()
    asset = engine.reconstruct_views([i for i, _ in seen], [m for _, m in seen], views)
    seconds = time.perf_counter() - start
    world = views[0].cam_from_world.inverse().compose(asset.pose)
    points = world.apply(asset.mesh.vertices)
    goal = sample_surface(shape[0], shape[1], one.POINTS, 0).interpolate(shape[0], shape[1])
    made = sample_surface(points, asset.mesh.faces, one.POINTS, 0).interpolate(points, asset.mesh.faces)
    step = arc / count
    quality = []
    for held in ring(4, max(arc - 2 * step, 1.0) if arc < 360 else 360.0, camera, shift=step / 2):
        truth, mask = photograph(shape, held)
        drawn, _ = render(
            points,
            asset.mesh.faces,
            asset.mesh.colors,
            camera,
            held.cam_from_world,
            background=(90, 120, 90),
            ambient=1.0,
        )
        hit = rasterize(held.cam_from_world.apply(points), asset.mesh.faces, camera).face >= 0
        quality.append(psnr(drawn, truth, mask | hit))
    return [
        one.f_score(made, goal, 0.05),
        one.chamfer(made, goal),
        float(asset.silhouette_iou or 0),
        float(np.mean(quality)),
        seconds,
        (asset.views.refined_gain_db if asset.views else None) or 0.0,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--arcs", default=",".join(map(str, ARCS)))
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--refine", action="store_true", help="refine the splat, and print its gain in dB")
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    engine = DefaultObjects(refine_steps=150 if args.refine else 0)
    print(f"{'arc':>5} {'shape':10} {'F@.05':>6} {'CD':>7} {'IoU':>6} {'PSNR':>6} {'s':>6} {'gain':>6}")
    for arc in map(float, args.arcs.split(",")):
        rows = []
        for name in args.shapes.split(","):
            rows.append(judge(engine, name, arc, args.views, args.side))
            _line(arc, name, rows[-1])
        _line(arc, "mean", list(np.mean(rows, axis=0)))


def _line(arc: float, name: str, row: list[float]) -> None:
    f, chamfer, iou, quality, seconds, gain = row
    scores = f"{f:6.3f} {chamfer:7.4f} {iou:6.3f} {quality:6.2f} {seconds:6.2f} {gain:6.2f}"
    print(f"{arc:5.0f} {name:10} {scores}", flush=True)


if __name__ == "__main__":
    main()
