"""Reconstruction from several views of painted shapes, over arcs of 30 to 360 degrees.

    python -m bench run objects.views [--shapes vase,mug] [--arcs 30,360] [--views 24] [--side 256] [--refine]
        [--paint waves,speckle,lamp,flat] [--noise 4] [--exposure 0.1] [--all-faces] [--image FILE]

The cameras look down by 25 degrees and are given. Every shape is reconstructed twice: as `hull`, without
carving, and in `full`. Reports F-score at 5% and 1% of the longest side against the outer surface, Chamfer
distance, the mean IoU with the masks, PSNR and FLIP (where flip-evaluator is installed) of the coloured mesh
on views between the given ones, seconds, the dB that carving and refinement gain on held-out views, and
flags. The image has a row per shape: a photo, then the hull, the full surface and the truth, each seen from
above and from below.
"""

import argparse
import time
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.objects.analytic_shapes import SHAPES
from bench.objects.appearance import compare_appearance
from bench.objects.geometry_scores import Array, chamfer, f_score, orbit
from bench.objects.painted_shapes import PAINTS, PaintedMesh, paint_shape, sample_outer_surface
from bench.objects.photos import Photos, ring, take_photos
from bench.objects.shapes import ENGINES
from bench.objects.single_view_scores import FIELD_OF_VIEW, POINTS
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import MultiViewEngine, ObjectAsset
from workers.engines.registry import load_engines
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh

NAMES = ("egg", "carton", "bottle", "vase", "mug", "ell", "table", "chair", "star", "snowman")
ARCS = (30, 60, 90, 180, 360)
REFINE_STEPS = 150
# (azimuth, elevation) in degrees of the two sides in the image
SIDES = ((60.0, 45.0), (120.0, -35.0))
SHORT_FLAGS = {"hollow_guessed": "hollow", "underside_guessed": "underside"}
COLUMNS = {
    "F@.05": ".3f",
    "F@.01": ".3f",
    "CD": ".4f",
    "mask IoU": ".3f",
    "PSNR": ".2f",
    "FLIP": ".3f",
    "s": ".2f",
    "carving dB": ".2f",
    "refinement dB": ".2f",
}


@dataclass(frozen=True)
class Scores:
    """One reconstruction against the truth, in the order of COLUMNS."""

    f_score: float
    fine_f_score: float
    chamfer: float
    mask_iou: float
    psnr: float
    flip: float
    seconds: float
    carved_gain_db: float
    refined_gain_db: float


def reconstruct(engine: MultiViewEngine, photos: Photos) -> tuple[ObjectAsset, Array, float]:
    """The asset, its vertices in world coordinates, and the seconds that it took."""
    start = time.perf_counter()
    asset = engine.reconstruct_views(photos.images, photos.masks, photos.views)
    seconds = time.perf_counter() - start
    world = photos.views[0].cam_from_world.inverse().compose(asset.pose)
    return asset, world.apply(asset.mesh.vertices), seconds


def score_views(
    asset: ObjectAsset,
    points: Array,
    seconds: float,
    photos: Photos,
    shape: PaintedMesh,
    goal: Array,
    arc: float,
) -> Scores:
    """Compare a reconstruction from photos along an arc with the shape and its surface points `goal`."""
    assert asset.views is not None and asset.mesh.colors is not None
    samples = sample_surface(points, asset.mesh.faces, POINTS, 0).interpolate(points, asset.mesh.faces)
    camera, step = photos.views[0].camera, arc / len(photos.views)
    span = max(arc - 2 * step, 1.0) if arc < 360 else 360.0
    between = ring(4, span, camera, shift=step / 2)
    psnr, flip = compare_appearance(
        (points, asset.mesh.faces, asset.mesh.colors),
        (shape.vertices, shape.faces, shape.colors),
        camera,
        [view.cam_from_world for view in between],
    )
    return Scores(
        f_score(samples, goal, 0.05),
        f_score(samples, goal, 0.01),
        chamfer(samples, goal),
        float(asset.silhouette_iou or 0),
        psnr,
        flip,
        seconds,
        asset.views.carved_gain_db or 0.0,
        asset.views.refined_gain_db or 0.0,
    )


def render_sides(points: Array, faces: NDArray[np.int64], camera: Camera) -> NDArray[np.uint8]:
    """A surface in light grey from above and from below, side by side."""
    return np.hstack([render_mesh(points, faces, None, camera, orbit(*side, 2.2))[0] for side in SIDES])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shapes", default=",".join(NAMES))
    parser.add_argument("--arcs", default=",".join(map(str, ARCS)), help="degrees")
    parser.add_argument("--paint", default="waves", help=f"any of {', '.join(PAINTS)}")
    parser.add_argument("--noise", type=float, default=0.0, help="grey levels")
    parser.add_argument("--exposure", type=float, default=0.0, help="of each image, up to this share")
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--refine", action="store_true", help="refine the splat, and report its gain")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="if it runs here")
    parser.add_argument("--all-faces", action="store_true", help="count faces inside other parts as surface")
    parser.add_argument("--image", help="a PNG of the results of the last arc and paint")


def load_variants(options: argparse.Namespace) -> dict[str, MultiViewEngine]:
    """The engines to compare, by name."""
    if options.engine == "default":
        steps = REFINE_STEPS if options.refine else 0
        return {
            "hull": DefaultObjects(refine_steps=steps, carve=False),
            "full": DefaultObjects(refine_steps=steps),
        }
    engine = load_engines(options.engine).objects()
    assert isinstance(engine, MultiViewEngine)
    return {options.engine: engine}


def run(options: argparse.Namespace, report: Report) -> None:
    variants = load_variants(options)
    names = options.shapes.split(",")
    camera = Camera.with_field_of_view(options.side, options.side, FIELD_OF_VIEW)
    goals = {
        name: sample_outer_surface(SHAPES[name][1](), POINTS, outer=not options.all_faces) for name in names
    }
    columns = {"paint": "", "arc": ".0f", "shape": "", "variant": "", **COLUMNS, "flags": ""}
    table = report.table("Views", columns)
    sheet: list[list[NDArray[np.uint8]]] = []
    for paint in options.paint.split(","):
        for arc in map(float, options.arcs.split(",")):
            every: dict[str, list[Scores]] = {variant: [] for variant in variants}
            sheet = []
            for name in names:
                shape = paint_shape(name, paint)
                views = ring(options.views, arc, camera)
                photos = take_photos(shape, views, noise=options.noise, exposure=options.exposure)
                sheet.append([photos.images[0]])
                for variant, engine in variants.items():
                    asset, points, seconds = reconstruct(engine, photos)
                    scores = score_views(asset, points, seconds, photos, shape, goals[name], arc)
                    every[variant].append(scores)
                    sheet[-1].append(render_sides(points, asset.mesh.faces, camera))
                    flags = "+".join(short for flag, short in SHORT_FLAGS.items() if flag in asset.flags)
                    table.add(paint, arc, name, variant, *astuple(scores), flags)
                sheet[-1].append(render_sides(shape.vertices, shape.faces, camera))
            for variant, rows in every.items():
                table.add(paint, arc, "mean", variant, *np.mean([astuple(row) for row in rows], axis=0), "")
    if options.image:
        Image.fromarray(np.vstack([np.hstack(row) for row in sheet])).save(options.image)
