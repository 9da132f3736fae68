"""Draws docs/figures/objects.jpg: drawn shapes, what one view gives, and what sixteen give.

    python -m bench run objects.figure [--out docs/figures/objects.jpg]

Columns: the input view; its result and the truth from 60 degrees to the right; the result of sixteen given
cameras around the shape and the truth, from 50 degrees above.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.objects import shapes as one
from bench.objects import views as many
from bench.objects.painted_shapes import painted
from workers.engines.objects.default import DefaultObjects
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

SHAPES = ("bottle", "carton", "vase", "mug", "chair")
TITLES = ("input", "one view", "truth", "16 views", "truth")
SIDE, HEADER, ELEVATION = 256, 26, 50.0
Picture = NDArray[np.uint8]


def drawn(vertices: NDArray[np.float64], faces: Any, colors: Any, view: PosedCamera) -> Picture:
    """A shaded mesh (SIDE, SIDE, 3) with world-frame vertices, on white."""
    return render_mesh(vertices, faces, colors, view.camera, view.cam_from_world)[0]


def row(name: str, engine: DefaultObjects) -> Picture:
    """The pictures of a shape side by side."""
    shape = painted(name, "waves")
    camera = Camera.with_field_of_view(SIDE, SIDE, 30)
    front = PosedCamera(camera, one.orbit(20, 20, many.DISTANCE))
    aside = PosedCamera(camera, one.orbit(80, 20, many.DISTANCE))
    above = PosedCamera(camera, one.orbit(55, ELEVATION, many.DISTANCE))
    first = many.photographed(shape, [front], 0.0, 0.0)
    image, mask = first.images[0], first.masks[0]
    single = engine.reconstruct(image, mask, camera=camera, label=name)
    # one view knows no size: the true distance gives it
    placed = single.pose.apply(single.mesh.vertices) * many.DISTANCE / single.pose.translation[2]
    placed = front.cam_from_world.inverse().apply(placed)
    views = many.ring(16, 360, camera)
    seen = many.photographed(shape, views, 0.0, 0.0)
    whole = engine.reconstruct_views(seen.images, seen.masks, views, label=name)
    assert whole.views is not None
    reference = views[whole.views.reference].cam_from_world.inverse()
    around = reference.apply(whole.pose.apply(whole.mesh.vertices))
    pictures = [
        image,
        drawn(placed, single.mesh.faces, single.mesh.colors, aside),
        drawn(shape.vertices, shape.faces, shape.colors, aside),
        drawn(around, whole.mesh.faces, whole.mesh.colors, above),
        drawn(shape.vertices, shape.faces, shape.colors, above),
    ]
    return np.hstack(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/objects.jpg"))
    out = parser.parse_args().out
    engine = DefaultObjects(refine_steps=0)
    rows = [row(name, engine) for name in SHAPES]
    header = np.full((HEADER, SIDE * len(TITLES), 3), 255, np.uint8)
    for index, title in enumerate(TITLES):
        cv2.putText(
            header, title, (SIDE * index + 8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA
        )
    sheet = np.vstack([header, *rows])
    cv2.imwrite(str(out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
