"""Renders docs/figures/objects.jpg: shapes, their reconstructions from one view, and from sixteen.

    python -m bench run objects.figure [--figure docs/figures/objects.jpg]

Columns: the input view; its result and the truth from 60 degrees to the right; the result of sixteen given
cameras around the shape and the truth, from 50 degrees above.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.objects.geometry_scores import orbit
from bench.objects.painted_shapes import paint_shape
from bench.objects.photos import DISTANCE, ring, take_photos
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

SHAPES = ("bottle", "carton", "vase", "mug", "chair")
TITLES = ("input", "one view", "truth", "16 views", "truth")
SIDE, HEADER, ELEVATION = 256, 26, 50.0
Rgb = NDArray[np.uint8]


def render_shaded(vertices: NDArray[np.float64], faces: Any, colors: Any, view: PosedCamera) -> Rgb:
    """A shaded mesh (SIDE, SIDE, 3) with world-frame vertices, on white."""
    return render_mesh(vertices, faces, colors, view.camera, view.cam_from_world)[0]


def render_row(name: str, engine: DefaultObjects) -> Rgb:
    """The images of a shape side by side."""
    shape = paint_shape(name, "waves")
    camera = Camera.with_field_of_view(SIDE, SIDE, 30)
    front = PosedCamera(camera, orbit(20, 20, DISTANCE))
    beside = PosedCamera(camera, orbit(80, 20, DISTANCE))
    above = PosedCamera(camera, orbit(55, ELEVATION, DISTANCE))
    first = take_photos(shape, [front])
    image, mask = first.images[0], first.masks[0]
    single = engine.reconstruct(image, mask, camera=camera, label=name)
    # one view does not determine the size: take it from the true distance
    placed = single.pose.apply(single.mesh.vertices) * DISTANCE / single.pose.translation[2]
    placed = front.cam_from_world.inverse().apply(placed)
    views = ring(16, 360, camera)
    photos = take_photos(shape, views)
    whole = engine.reconstruct_views(photos.images, photos.masks, views, label=name)
    assert whole.views is not None
    reference = views[whole.views.reference].cam_from_world.inverse()
    from_many = reference.apply(whole.pose.apply(whole.mesh.vertices))
    images = [
        image,
        render_shaded(placed, single.mesh.faces, single.mesh.colors, beside),
        render_shaded(shape.vertices, shape.faces, shape.colors, beside),
        render_shaded(from_many, whole.mesh.faces, whole.mesh.colors, above),
        render_shaded(shape.vertices, shape.faces, shape.colors, above),
    ]
    return np.hstack(images)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/objects.jpg"))


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultObjects(refine_steps=0)
    rows = [render_row(name, engine) for name in SHAPES]
    header = np.full((HEADER, SIDE * len(TITLES), 3), 255, np.uint8)
    for index, title in enumerate(TITLES):
        cv2.putText(
            header, title, (SIDE * index + 8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA
        )
    sheet = np.vstack([header, *rows])
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    cv2.imwrite(str(options.figure), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), quality)
    report.note(f"The figure is {options.figure}.")
