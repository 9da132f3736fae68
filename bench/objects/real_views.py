"""Reconstruction of held-out real objects from several given views, over arcs of 30, 90 and 360 degrees.

    python -m bench run objects.real_views [--meshes build/meshes] [--count 10] [--arcs 30,90,360] [--hull]

The cameras look down by 25 degrees. Reports F-score at 5% of the longest side against the outer surface, the
mean IoU with the masks and seconds; with `--hull` also of the hull, which colours have not carved. A run that
was stopped goes on. The objects are held out: `--half first` takes those that thresholds may be set on, by
default the other half judges.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.objects.geometry_scores import Array, f_score
from bench.objects.painted_shapes import PaintedMesh
from bench.objects.photos import ring, take_photos
from bench.objects.real import POINTS, thin_out
from bench.objects.real_conditions import HALVES, load_half
from bench.objects.real_meshes import RealMesh
from bench.objects.records import Records
from bench.report import Report
from workers.engines.objects.default import VERSION, DefaultObjects
from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.cameras import Camera

FIELD_OF_VIEW = 40.0
COLUMNS = {"F@.05": ".3f", "mask IoU": ".3f", "s": ".1f"}


def score_real_views(
    engine: DefaultObjects, mesh: RealMesh, arc: float, count: int, side: int, goal: Array
) -> dict[str, Any]:
    """Reconstruct a mesh from views along an arc, and compare it with its outer surface `goal` (N, 3)."""
    camera = Camera.with_field_of_view(side, side, FIELD_OF_VIEW)
    photos = take_photos(PaintedMesh(mesh.vertices, mesh.faces, mesh.colors), ring(count, arc, camera))
    start = time.perf_counter()
    asset = engine.reconstruct_views(photos.images, photos.masks, photos.views)
    seconds = time.perf_counter() - start
    world = photos.views[0].cam_from_world.inverse().compose(asset.pose)
    points, faces = world.apply(asset.mesh.vertices), asset.mesh.faces
    samples = sample_surface(points, faces, POINTS, 0).interpolate(points, faces)
    figures = (f_score(samples, goal, 0.05), float(asset.silhouette_iou or 0), seconds)
    return dict(zip(COLUMNS, figures, strict=True))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, default=Path("build/meshes"))
    parser.add_argument("--count", type=int, default=10, help="how many objects")
    parser.add_argument("--arcs", default="30,90,360", help="degrees")
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--side", type=int, default=192, help="image side in pixels")
    parser.add_argument("--hull", action="store_true", help="also measure the hull")
    parser.add_argument("--half", choices=HALVES, default="second", help="of the held-out objects")


def run(options: argparse.Namespace, report: Report) -> None:
    variants = {"full": DefaultObjects(refine_steps=0, splats=1000)}
    if options.hull:
        variants["hull"] = DefaultObjects(refine_steps=0, splats=1000, carve=False)
    records = Records(options.out / f"{report.bench}.records.jsonl", VERSION)
    table = report.table("Views", {"arc": "", "object": "", "variant": "", **COLUMNS})
    meshes = thin_out(load_half(options.meshes, options.half), options.count)
    goals = {mesh.name: mesh.sample_outer_surface(POINTS) for mesh in meshes}
    for arc in map(float, options.arcs.split(",")):
        for variant, engine in variants.items():
            rows = []
            for mesh in meshes:
                key = f"{mesh.name}/{arc:g}/{options.views}/{options.side}/{variant}"
                figures = records.get(
                    key,
                    lambda engine=engine, mesh=mesh, arc=arc: score_real_views(
                        engine, mesh, arc, options.views, options.side, goals[mesh.name]
                    ),
                )
                rows.append([figures[name] for name in COLUMNS])
                table.add(f"{arc:g}", mesh.name, variant, *rows[-1])
            table.add(f"{arc:g}", f"mean of {len(rows)}", variant, *np.mean(rows, axis=0))
