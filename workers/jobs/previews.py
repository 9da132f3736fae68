"""Pictures of results for a person to judge: turned views of an asset, bodies over their image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, ObjectAsset
from workers.engines.rasterisers.preview import preview_splat
from workers.formats.images import shrink_image
from workers.formats.overlay import object_color
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.poses import look_at

SIDE = 320
PANEL = 960
SIDE_VIEW_DISTANCE = 4.0
# eyes around a unit object: from the front, three-quarters, the side, and the back
EYES = ((0.0, 0.2, 1.75), (1.25, 0.65, 1.25), (1.75, 0.2, 0.0), (-0.75, 0.4, -1.6))


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """A body to draw: vertices (V, 3) in its camera's frame, and the number of its colour."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    camera: Camera
    color: int


def render_asset_preview(asset: ObjectAsset) -> NDArray[np.uint8]:
    """Four views of the mesh above four views of the splat, in the canonical frame."""
    camera = Camera(SIDE, SIDE, SIDE * 1.4, SIDE * 1.4, SIDE / 2, SIDE / 2)
    top, bottom = [], []
    for eye in EYES:
        pose = look_at(eye, (0.0, 0.0, 0.0))
        mesh = asset.mesh
        top.append(render_mesh(mesh.vertices, mesh.faces, mesh.colors, camera, pose)[0])
        bottom.append(preview_splat(asset.splat, camera, pose))
    return np.vstack([np.hstack(top), np.hstack(bottom)])


def render_body_panels(image: NDArray[np.uint8], bodies: Sequence[BodyEstimate]) -> NDArray[np.uint8]:
    """Side by side: the image, the bodies over it, and the bodies from the right of the camera."""
    placed = [
        PosedBody(body.vertices, body.rig.faces, body.camera, index) for index, body in enumerate(bodies)
    ]
    shown = shrink_image(image, PANEL)
    panels = [shown, draw_bodies(shown.copy(), placed)]
    if placed:
        panels.append(_from_the_side(placed, shown.shape[0]))
    return np.hstack(panels)


def draw_bodies(canvas: NDArray[np.uint8], bodies: Sequence[PosedBody]) -> NDArray[np.uint8]:
    """Draw bodies over `canvas` (H, W, 3), a smaller picture of what their cameras saw, the nearest last."""
    height, width = canvas.shape[:2]
    for body in sorted(bodies, key=lambda body: -float(body.vertices[:, 2].mean())):
        tint = np.tile(np.array(object_color(body.color), np.uint8), (len(body.vertices), 1))
        drawn, depth = render_mesh(body.vertices, body.faces, tint, body.camera.resized(width, height))
        hit = np.isfinite(depth)
        canvas[hit] = (0.25 * canvas[hit] + 0.75 * drawn[hit]).astype(np.uint8)
    return canvas


def _from_the_side(bodies: Sequence[PosedBody], height: int) -> NDArray[np.uint8]:
    """Seen from the right of the camera, whose forward is to the right: how bodies stand and lean."""
    points = np.concatenate([body.vertices for body in bodies])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, tall, deep = (low + high) / 2, float(high[1] - low[1]), float(high[2] - low[2])
    away = SIDE_VIEW_DISTANCE * max(tall, deep)
    width = int(np.clip(round(height * deep / max(tall, 1e-6) * 1.3), height // 2, 2 * height))
    focal = 0.85 * away * min(height / tall, width / deep)
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    canvas = np.full((height, width, 3), 245, dtype=np.uint8)
    turned = [
        replace(
            body,
            vertices=(body.vertices - middle)[:, [2, 1, 0]] * np.array([1.0, 1.0, -1.0])
            + np.array([0.0, 0.0, away]),
            faces=body.faces,
            camera=camera,
        )
        for body in bodies
    ]
    return draw_bodies(canvas, turned)
