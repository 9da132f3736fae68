"""Judges reconstruction from several views on painted shapes, over arcs of 30 to 360 degrees.

    python -m bench run objects.views [--shapes vase,mug] [--arcs 30,360] [--views 24] [--side 256] [--refine]
        [--paint waves,speckle,lamp,flat] [--noise 4] [--exposure 0.1] [--all-faces] [--sheet FILE]

The cameras look down by 25 degrees and are given. Every shape is reconstructed twice: `hull`, without
carving by colour and without completing what no view sees, and `full`. Reports F-score at 5% and 1% of the
longest side against the outer surface, Chamfer distance, the mean IoU with the masks, PSNR and FLIP (where
flip-evaluator is installed) of the coloured mesh on views between the given ones, seconds, the dB that
carving and refining gain on held-out views, and flags. The sheet has a row per shape: a photo, and from
above and below the hull, the full surface and the truth.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.objects.appearance import compare_appearance, photograph
from bench.objects.evaluation import DISTANCE, FIELD_OF_VIEW, orbit
from bench.objects.metrics import POINTS, chamfer, f_score
from bench.objects.outer_surface import sample_outer_surface
from bench.objects.painted_shapes import PAINTS, PaintedMesh, paint_shape
from bench.objects.shapes import ENGINES
from bench.objects.solids import SHAPES as ALL_SHAPES
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.splats.surfels import sample_surface
from workers.engines.protocols import MultiViewEngine, ObjectAsset
from workers.engines.registry import load_engines
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
SHAPES = ("egg", "carton", "bottle", "vase", "mug", "ell", "table", "chair", "star", "snowman")
ARCS = (30, 60, 90, 180, 360)
ELEVATION = 25.0
# Azimuth and elevation of the renderings of the sheet, from above and from below.
SHEET_VIEWS = ((60.0, 45.0), (120.0, -35.0))
SHORT_FLAGS = {"hollow_guessed": "hollow", "underside_guessed": "underside"}
COLUMNS = {
    "F@.05": ".3f",
    "F@.01": ".3f",
    "CD": ".4f",
    "IoU": ".3f",
    "PSNR": ".2f",
    "FLIP": ".3f",
    "s": ".2f",
    "carved dB": ".2f",
    "refined dB": ".2f",
}


@dataclass(frozen=True)
class Photos:
    """What each view sees and its mask."""

    images: list[NDArray[np.uint8]]
    masks: list[NDArray[np.bool_]]
    views: list[PosedCamera]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One reconstruction against the truth, in the order of `COLUMNS`."""

    f_score: float
    fine_f_score: float
    chamfer: float
    iou: float
    psnr: float
    flip: float
    seconds: float
    carved_db: float
    refined_db: float


def place_cameras(count: int, arc: float, camera: Camera, shift: float = 0.0) -> list[PosedCamera]:
    """Cameras along an arc in degrees about the origin; a closed circle does not end where it began."""
    steps = np.arange(count) / (count if arc == 360 else count - 1)
    return [
        PosedCamera(camera, orbit(arc * (step - 0.5) + 20 + shift, ELEVATION, DISTANCE)) for step in steps
    ]


def photograph_views(shape: PaintedMesh, views: list[PosedCamera], noise: float, exposure: float) -> Photos:
    """Unshaded images with noise of some grey levels, each brighter or darker by up to a share."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for view in views:
        image, mask = photograph((shape.vertices, shape.faces, shape.colors), view)
        light = image * (1 + rng.uniform(-exposure, exposure)) + noise * rng.normal(size=image.shape)
        images.append(np.clip(np.round(light), 0, 255).astype(np.uint8))
        masks.append(mask)
    return Photos(images, masks, views)


def score_asset(
    asset: ObjectAsset, seconds: float, shape: PaintedMesh, expected: Array, photos: Photos, arc: float
) -> tuple[Scores, Array]:
    """The scores of an asset against `expected` points (N, 3), and its vertices (V, 3) in the world."""
    assert asset.views is not None and asset.mesh.colors is not None
    world_from_object = photos.views[0].cam_from_world.inverse().compose(asset.pose)
    points, faces = world_from_object.apply(asset.mesh.vertices), asset.mesh.faces
    actual = sample_surface(points, faces, POINTS, 0).interpolate(points, faces)
    step = arc / len(photos.views)
    camera = photos.views[0].camera
    between = place_cameras(4, max(arc - 2 * step, 1.0) if arc < 360 else 360.0, camera, shift=step / 2)
    psnr, flip = compare_appearance(
        (points, faces, asset.mesh.colors),
        (shape.vertices, shape.faces, shape.colors),
        camera,
        [view.cam_from_world for view in between],
    )
    scores = Scores(
        f_score=f_score(actual, expected, 0.05),
        fine_f_score=f_score(actual, expected, 0.01),
        chamfer=chamfer(actual, expected),
        iou=float(asset.silhouette_iou or 0),
        psnr=psnr,
        flip=flip,
        seconds=seconds,
        carved_db=asset.views.carved_gain_db or 0.0,
        refined_db=asset.views.refined_gain_db or 0.0,
    )
    return scores, points


def render_sheet_views(points: Array, faces: NDArray[np.int64], camera: Camera) -> NDArray[np.uint8]:
    """A surface in light grey from above and from below, side by side."""
    return np.hstack([render_mesh(points, faces, None, camera, orbit(*view, 2.2))[0] for view in SHEET_VIEWS])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--arcs", default=",".join(map(str, ARCS)))
    parser.add_argument("--paint", default="waves", help=f"any of {', '.join(PAINTS)}")
    parser.add_argument("--noise", type=float, default=0.0, help="grey levels")
    parser.add_argument("--exposure", type=float, default=0.0, help="each image's own, up to this share")
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--refine", action="store_true", help="refine the splat, and report its gain in dB")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="if it runs here")
    parser.add_argument("--all-faces", action="store_true", help="count faces inside other parts as surface")
    parser.add_argument("--sheet", help="a PNG of the last arc and paint")


def run(options: argparse.Namespace, report: Report) -> None:
    """Evaluate each shape for each paint and arc."""
    engines = choose_engines(options)
    names = options.shapes.split(",")
    camera = Camera.with_field_of_view(options.side, options.side, FIELD_OF_VIEW)
    expected = {
        name: sample_outer_surface(ALL_SHAPES[name][1](), POINTS, outer=not options.all_faces)
        for name in names
    }
    table = report.table("", {"paint": "", "arc": ".0f", "shape": "", "how": "", **COLUMNS, "flags": ""})
    sheet: list[list[NDArray[np.uint8]]] = []
    for paint in options.paint.split(","):
        shapes = {name: paint_shape(name, paint) for name in names}
        for arc in map(float, options.arcs.split(",")):
            scores: dict[str, list[Scores]] = {how: [] for how in engines}
            sheet = []
            for name, shape in shapes.items():
                views = place_cameras(options.views, arc, camera)
                photos = photograph_views(shape, views, options.noise, options.exposure)
                sheet.append([photos.images[0]])
                for how, asset, seconds in reconstruct_all(engines, photos):
                    score, points = score_asset(asset, seconds, shape, expected[name], photos, arc)
                    scores[how].append(score)
                    sheet[-1].append(render_sheet_views(points, asset.mesh.faces, camera))
                    flags = "+".join(short for flag, short in SHORT_FLAGS.items() if flag in asset.flags)
                    table.add(paint, arc, name, how, *astuple(score), flags)
                sheet[-1].append(render_sheet_views(shape.vertices, shape.faces, camera))
            for how, rows in scores.items():
                table.add(paint, arc, "mean", how, *np.mean([astuple(row) for row in rows], axis=0), "")
    if options.sheet:
        Image.fromarray(np.vstack([np.hstack(row) for row in sheet])).save(options.sheet)


def choose_engines(options: argparse.Namespace) -> dict[str, MultiViewEngine]:
    """The engines to compare, by how they are named in the table."""
    if options.engine != "default":
        other = load_engines(options.engine).objects()
        assert isinstance(other, MultiViewEngine)
        return {"net": other}
    steps = 150 if options.refine else 0
    return {
        "hull": DefaultObjects(refine_steps=steps, carve=False),
        "full": DefaultObjects(refine_steps=steps),
    }


def reconstruct_all(
    engines: dict[str, MultiViewEngine], photos: Photos
) -> Iterator[tuple[str, ObjectAsset, float]]:
    """Each engine's name, asset and seconds."""
    for how, engine in engines.items():
        start = time.perf_counter()
        asset = engine.reconstruct_views(photos.images, photos.masks, photos.views)
        yield how, asset, time.perf_counter() - start
