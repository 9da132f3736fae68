"""Pictures of results for a person to judge: turned views of an asset, bodies over their image."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, ObjectAsset
from workers.formats.overlay import LONGEST, color_of
from workers.geometry.cameras import Camera
from workers.geometry.poses import look_at
from workers.geometry.raster import render
from workers.geometry.splat_preview import splat_preview

SIDE = 320
# eyes around a unit object: from the front, three-quarters, the side, and the back
EYES = ((0.0, 0.2, 1.75), (1.25, 0.65, 1.25), (1.75, 0.2, 0.0), (-0.75, 0.4, -1.6))


def asset_preview(asset: ObjectAsset) -> NDArray[np.uint8]:
    """Four views of the mesh above four views of the splat, in the canonical frame."""
    camera = Camera(SIDE, SIDE, SIDE * 1.4, SIDE * 1.4, SIDE / 2, SIDE / 2)
    top, bottom = [], []
    for eye in EYES:
        pose = look_at(eye, (0.0, 0.0, 0.0))
        mesh = asset.mesh
        top.append(render(mesh.vertices, mesh.faces, mesh.colors, camera, pose)[0])
        bottom.append(splat_preview(asset.splat, camera, pose))
    return np.vstack([np.hstack(top), np.hstack(bottom)])


def bodies_overlay(image: NDArray[np.uint8], bodies: Sequence[BodyEstimate]) -> NDArray[np.uint8]:
    """Body meshes drawn over the image (H, W, 3), the nearest in front; large images are scaled down."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    order = sorted(range(len(bodies)), key=lambda i: -float(bodies[i].vertices[:, 2].mean()))
    for index in order:
        body = bodies[index]
        c = body.camera
        camera = Camera(size[0], size[1], c.fx * scale, c.fy * scale, c.cx * scale, c.cy * scale)
        tint = np.tile(np.array(color_of(index), np.uint8), (len(body.vertices), 1))
        drawn, depth = render(body.vertices, body.rig.faces, tint, camera)
        hit = np.isfinite(depth)
        canvas[hit] = (0.25 * canvas[hit] + 0.75 * drawn[hit]).astype(np.uint8)
    return canvas
