"""Judges reconstruction from several views on painted shapes, over arcs of 30 to 360 degrees.

    python -m bench run objects.views [--shapes vase,mug] [--arcs 30,360] [--views 24] [--side 256] [--refine]
        [--paint waves,speckle,lamp,flat] [--noise 4] [--exposure 0.1] [--all-faces] [--picture FILE]

The cameras look down by 25 degrees and are given. Every shape is made twice: `hull`, without what colours
tell and without guesses about what no view sees, and `full`. Prints F-score at 5% and 1% of the longest side
against the outer surface, Chamfer distance, the mean IoU with the masks, PSNR and FLIP (where flip-evaluator
is installed) of the coloured mesh on views between the given ones, seconds, the dB that carving and refining
gain on held-out views, and flags. The picture has a row for each shape: a photo, and from above and below
the hull, the full surface and the truth.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.objects import appearance
from bench.objects import shapes as one
from bench.objects.painted_shapes import PAINTS, Painted, painted, surface_points
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import MultiViewEngine
from workers.engines.registry import load_engines
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

SHAPES = ("egg", "carton", "bottle", "vase", "mug", "ell", "table", "chair", "star", "snowman")
ARCS = (30, 60, 90, 180, 360)
DISTANCE, ELEVATION = 2.6, 25.0
LOOKS = ((60.0, 45.0), (120.0, -35.0))
SHORT = {"hollow_guessed": "hollow", "underside_guessed": "underside"}


@dataclass(frozen=True)
class Photos:
    """What each view sees and its mask."""

    images: list[NDArray[np.uint8]]
    masks: list[NDArray[np.bool_]]
    views: list[PosedCamera]


def ring(count: int, arc: float, camera: Camera, shift: float = 0.0) -> list[PosedCamera]:
    """Cameras along an arc about the origin; a closed circle does not end where it began."""
    steps = np.arange(count) / (count if arc == 360 else count - 1)
    return [PosedCamera(camera, one.orbit(arc * (s - 0.5) + 20 + shift, ELEVATION, DISTANCE)) for s in steps]


def photographed(shape: Painted, views: list[PosedCamera], noise: float, exposure: float) -> Photos:
    """Unshaded pictures with noise of some grey levels, each brighter or darker by up to a share."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for view in views:
        image, mask = appearance.photograph((shape.vertices, shape.faces, shape.colors), view)
        light = image * (1 + rng.uniform(-exposure, exposure)) + noise * rng.normal(size=image.shape)
        images.append(np.clip(np.round(light), 0, 255).astype(np.uint8))
        masks.append(mask)
    return Photos(images, masks, views)


def judge(
    engine: MultiViewEngine, shape: Painted, goal: one.Array, photos: Photos, arc: float
) -> tuple[list[float], str, NDArray[np.uint8]]:
    """F-scores, Chamfer, IoU with the masks, held-out PSNR and FLIP, seconds and gains; flags; and looks."""
    camera = photos.views[0].camera
    start = time.perf_counter()
    asset = engine.reconstruct_views(photos.images, photos.masks, photos.views)
    seconds = time.perf_counter() - start
    assert asset.views is not None
    world = photos.views[0].cam_from_world.inverse().compose(asset.pose)
    points = world.apply(asset.mesh.vertices)
    made = sample_surface(points, asset.mesh.faces, one.POINTS, 0).interpolate(points, asset.mesh.faces)
    step = arc / len(photos.views)
    between = ring(4, max(arc - 2 * step, 1.0) if arc < 360 else 360.0, camera, shift=step / 2)
    assert asset.mesh.colors is not None
    likeness = appearance.likeness(
        (points, asset.mesh.faces, asset.mesh.colors),
        (shape.vertices, shape.faces, shape.colors),
        camera,
        [view.cam_from_world for view in between],
    )
    flags = "+".join(short for name, short in SHORT.items() if name in asset.flags)
    return (
        [
            one.f_score(made, goal, 0.05),
            one.f_score(made, goal, 0.01),
            one.chamfer(made, goal),
            float(asset.silhouette_iou or 0),
            *likeness,
            seconds,
            asset.views.carved_gain_db or 0.0,
            asset.views.refined_gain_db or 0.0,
        ],
        flags,
        looks(points, asset.mesh.faces, camera),
    )


def looks(points: one.Array, faces: NDArray[np.int64], camera: Camera) -> NDArray[np.uint8]:
    """A surface in light grey from above and from below, side by side."""
    return np.hstack([render_mesh(points, faces, None, camera, one.orbit(*at, 2.2))[0] for at in LOOKS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--arcs", default=",".join(map(str, ARCS)))
    parser.add_argument("--paint", default="waves", help=f"any of {', '.join(PAINTS)}")
    parser.add_argument("--noise", type=float, default=0.0, help="grey levels")
    parser.add_argument("--exposure", type=float, default=0.0, help="each picture's own, up to this share")
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--refine", action="store_true", help="refine the splat, and print its gain in dB")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--engine", choices=one.ENGINES, default="default", help="if it runs here")
    parser.add_argument("--all-faces", action="store_true", help="count faces inside other parts as surface")
    parser.add_argument("--picture", help="a PNG of what the last arc and paint gave")
    args = parser.parse_args()
    steps = 150 if args.refine else 0
    engines: dict[str, MultiViewEngine] = {
        "hull": DefaultObjects(refine_steps=steps, carve=False),
        "full": DefaultObjects(refine_steps=steps),
    }
    if args.engine != "default":
        other = load_engines(args.engine).objects()
        assert isinstance(other, MultiViewEngine)
        engines = {"net": other}
    names = args.shapes.split(",")
    camera = Camera.with_field_of_view(args.side, args.side, 40.0)
    goals = {
        name: surface_points(one.SHAPES[name][1](), one.POINTS, outer=not args.all_faces) for name in names
    }
    titles = f"{'F@.05':>6} {'F@.01':>6} {'CD':>7} {'IoU':>6} {'PSNR':>6} {'FLIP':>6} {'s':>6}"
    print(f"{'paint':8} {'arc':>4} {'shape':8} {'how':4} {titles} {'carved':>6} {'refined':>7}")
    for paint in args.paint.split(","):
        shapes = {name: painted(name, paint) for name in names}
        for arc in map(float, args.arcs.split(",")):
            rows: dict[str, list[list[float]]] = {how: [] for how in engines}
            sheet = []
            for name, shape in shapes.items():
                photos = photographed(shape, ring(args.views, arc, camera), args.noise, args.exposure)
                sheet.append([photos.images[0]])
                for how, engine in engines.items():
                    row, flags, seen = judge(engine, shape, goals[name], photos, arc)
                    rows[how].append(row)
                    sheet[-1].append(seen)
                    _line(f"{paint:8} {arc:4.0f} {name:8} {how}", row, flags)
                sheet[-1].append(looks(shape.vertices, shape.faces, camera))
            for how, found in rows.items():
                _line(f"{paint:8} {arc:4.0f} {'mean':8} {how}", list(np.mean(found, axis=0)), "")
    if args.picture:
        Image.fromarray(np.vstack([np.hstack(row) for row in sheet])).save(args.picture)


def _line(title: str, row: list[float], flags: str) -> None:
    f, fine, chamfer, iou, quality, error, seconds, carved, refined = row
    scores = f"{f:6.3f} {fine:6.3f} {chamfer:7.4f} {iou:6.3f} {quality:6.2f} {error:6.3f} {seconds:6.2f}"
    print(f"{title} {scores} {carved:6.2f} {refined:7.2f} {flags}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
