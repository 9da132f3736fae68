"""Images of results for people to judge: views around an asset, bodies over their image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate, ObjectAsset, Rgb
from workers.formats.images import shrink_image
from workers.formats.overlay import object_color
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.jobs.asset_views import AssetViews

# side of one view of an asset, and longest side of a panel with bodies, in pixels
VIEW_SIDE = 320
PANEL_SIDE = 960
# distance of the side view's camera in heights (or depths) of the bodies
SIDE_VIEW_DISTANCE = 4.0
# grey of the side view's background
BACKGROUND = 245
# where an asset is seen from: in front, three-quarters, beside, behind
DIRECTIONS = ((0.0, 0.2, 1.75), (1.25, 0.65, 1.25), (1.75, 0.2, 0.0), (-0.75, 0.4, -1.6))


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """A body to draw: vertices (V, 3) in its camera's frame; `color` is an index of `object_color`."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    camera: Camera
    color: int


def render_asset_preview(asset: ObjectAsset) -> Rgb:
    """Four views of the mesh above four views of the splat, each at the same scale."""
    views = AssetViews(asset, VIEW_SIDE)
    surfaces, splats = zip(*(views.render(direction) for direction in DIRECTIONS), strict=True)
    return np.vstack([np.hstack(surfaces), np.hstack(splats)])


def render_body_panels(image: Rgb, bodies: Sequence[BodyEstimate]) -> Rgb:
    """Side by side: the image, the bodies over it, and the bodies from the right of the camera."""
    posed = [
        PosedBody(body.vertices, body.rig.faces, body.camera, index) for index, body in enumerate(bodies)
    ]
    small = shrink_image(image, PANEL_SIDE)
    panels = [small, draw_bodies(small.copy(), posed)]
    if posed:
        panels.append(_render_side_view(posed, small.shape[0]))
    return np.hstack(panels)


def draw_bodies(canvas: Rgb, bodies: Sequence[PosedBody]) -> Rgb:
    """Draw bodies over `canvas` (H, W, 3), a smaller image of their cameras, the nearest last."""
    height, width = canvas.shape[:2]
    for body in sorted(bodies, key=lambda body: -float(body.vertices[:, 2].mean())):
        colors = np.tile(np.array(object_color(body.color), np.uint8), (len(body.vertices), 1))
        camera = body.camera.resized(width, height)
        rendered, depth = render_mesh(body.vertices, body.faces, colors, camera)
        covered = np.isfinite(depth)
        canvas[covered] = (0.25 * canvas[covered] + 0.75 * rendered[covered]).astype(np.uint8)
    return canvas


def _render_side_view(bodies: Sequence[PosedBody], height: int) -> Rgb:
    """The bodies from the right of the camera, whose forward axis points right: how they stand and lean."""
    points = np.concatenate([body.vertices for body in bodies])
    low, high = points.min(axis=0), points.max(axis=0)
    centre, tall, deep = (low + high) / 2, float(high[1] - low[1]), float(high[2] - low[2])
    distance = SIDE_VIEW_DISTANCE * max(tall, deep)
    width = int(np.clip(round(height * deep / max(tall, 1e-6) * 1.3), height // 2, 2 * height))
    focal = 0.85 * distance * min(height / tall, width / deep)
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    away = np.array([0.0, 0.0, distance])
    turned = [
        replace(
            body,
            vertices=(body.vertices - centre)[:, [2, 1, 0]] * np.array([1.0, 1.0, -1.0]) + away,
            camera=camera,
        )
        for body in bodies
    ]
    return draw_bodies(np.full((height, width, 3), BACKGROUND, dtype=np.uint8), turned)
