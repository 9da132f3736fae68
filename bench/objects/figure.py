"""Draws docs/figures/objects.jpg: analytic shapes from one view and from sixteen.

    python -m bench run objects.figure [--file docs/figures/objects.jpg]

Columns: the input view; its result and the truth from 60 degrees to the right; the result of sixteen given
cameras around the shape and the truth, from 50 degrees above.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.objects.evaluation import DISTANCE, orbit
from bench.objects.painted_shapes import paint_shape
from bench.objects.views import photograph_views, place_cameras
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

SHAPES = ("bottle", "carton", "vase", "mug", "chair")
TITLES = ("input", "one view", "truth", "16 views", "truth")
SIDE, HEADER, ELEVATION = 256, 26, 50.0
Rgb = NDArray[np.uint8]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, default=Path("docs/figures/objects.jpg"))


def run(options: argparse.Namespace, report: Report) -> None:
    """Draw and write the figure."""
    engine = DefaultObjects(refine_steps=0)
    rows = [draw_row(name, engine) for name in SHAPES]
    header = np.full((HEADER, SIDE * len(TITLES), 3), 255, np.uint8)
    font, grey = cv2.FONT_HERSHEY_SIMPLEX, (40, 40, 40)
    for index, title in enumerate(TITLES):
        cv2.putText(header, title, (SIDE * index + 8, 19), font, 0.6, grey, 1, cv2.LINE_AA)
    sheet = cv2.cvtColor(np.vstack([header, *rows]), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(options.file), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
    report.note(f"Wrote {options.file}.")


def draw_row(name: str, engine: DefaultObjects) -> Rgb:
    """The images of a shape side by side."""
    shape = paint_shape(name, "waves")
    camera = Camera.with_field_of_view(SIDE, SIDE, 30)
    front, aside, above = (
        PosedCamera(camera, orbit(azimuth, elevation, DISTANCE))
        for azimuth, elevation in ((20, 20), (80, 20), (55, ELEVATION))
    )
    photo = photograph_views(shape, [front], 0.0, 0.0)
    single = engine.reconstruct(photo.images[0], photo.masks[0], camera=camera, label=name)
    # one view gives no size: the true distance does
    placed = single.pose.apply(single.mesh.vertices) * DISTANCE / single.pose.translation[2]
    placed = front.cam_from_world.inverse().apply(placed)
    views = place_cameras(16, 360, camera)
    photos = photograph_views(shape, views, 0.0, 0.0)
    multi = engine.reconstruct_views(photos.images, photos.masks, views, label=name)
    assert multi.views is not None
    world_from_reference = views[multi.views.reference].cam_from_world.inverse()
    around = world_from_reference.apply(multi.pose.apply(multi.mesh.vertices))
    images = [
        photo.images[0],
        render(placed, single.mesh.faces, single.mesh.colors, aside),
        render(shape.vertices, shape.faces, shape.colors, aside),
        render(around, multi.mesh.faces, multi.mesh.colors, above),
        render(shape.vertices, shape.faces, shape.colors, above),
    ]
    return np.hstack(images)


def render(vertices: NDArray[np.float64], faces: Any, colors: Any, view: PosedCamera) -> Rgb:
    """A shaded mesh (SIDE, SIDE, 3) with world-frame vertices, on white."""
    return render_mesh(vertices, faces, colors, view.camera, view.cam_from_world)[0]
