"""A film of an asset turning round once: its mesh at the left, its splat at the right."""

import numpy as np

from workers.engines.protocols import ObjectAsset
from workers.engines.rasterisers.preview import preview_splat
from workers.formats.film import Film
from workers.geometry.cameras import Camera
from workers.geometry.poses import look_at
from workers.geometry.raster import render

SIDE, FRAMES, RATE = 256, 48, 24
DISTANCE, LIFT = 1.75, 0.5


def turntable(asset: ObjectAsset) -> bytes:
    """An H.264 MP4 of 2 s, 512 x 256; it begins with the side that the picture saw."""
    camera = Camera(SIDE, SIDE, SIDE * 1.4, SIDE * 1.4, SIDE / 2, SIDE / 2)
    with Film(2 * SIDE, SIDE, (1, RATE)) as film:
        for number in range(FRAMES):
            angle = 2 * np.pi * number / FRAMES
            eye = (DISTANCE * float(np.sin(angle)), LIFT, DISTANCE * float(np.cos(angle)))
            pose = look_at(eye, (0.0, 0.0, 0.0))
            mesh = asset.mesh
            left, _ = render(mesh.vertices, mesh.faces, mesh.colors, camera, pose)
            film.add(np.hstack([left, preview_splat(asset.splat, camera, pose)]), number)
        return film.finish()
