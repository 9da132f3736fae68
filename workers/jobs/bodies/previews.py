"""Pictures of bodies for people to judge: from the camera, from the side and from above, with the floor.

The views from the side and from above are orthographic and share one scale, so that heights and distances can
be compared. Their axes are gravity's where it is known, otherwise the camera's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workers.engines.protocols import BodyEstimate, Rgb
from workers.formats.images import shrink_image
from workers.formats.overlay import object_color
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh, silhouette
from workers.jobs.bodies.ground.plane import Ground

Floats = NDArray[np.float64]
Color = tuple[int, int, int]
# longest side of one of the four panels in pixels: eight people can still be distinguished
PANEL_SIDE = 800
# shortest side of the panels beside a very narrow or flat image, in pixels
LEAST_SIDE = 320
BACKGROUND, LINE, SHADOW, TEXT = (245, 245, 245), (150, 150, 150), (205, 205, 205), (60, 60, 60)
OVER_IMAGE = (255, 255, 255)
# edge of the floor's cells, and how far the floor reaches beyond the bodies, in metres
CELL, FLOOR_MARGIN = 1.0, 1.5
# most cells along one side: a body that is far off does not draw millions of them
MOST_CELLS = 60
# how far the view from the side looks down, in radians: enough to see the floor as a plane
SIDE_ELEVATION = np.radians(8.0)
# distance of an orthographic view's camera in extents of the bodies: perspective is about a hundredth
ORTHOGRAPHIC_DISTANCE = 100.0
# share of a panel that the bodies fill, and of the image that they hide and the floor's lines hide
FILL, OPACITY, LINE_OPACITY = 0.82, 0.8, 0.55
# candidate pixels of one panel above which it is drawn coarsely (`mesh_renderer`): a body that fills one has
# 0.7 million, and two seconds are what a picture of a broken one may take
MOST_CANDIDATES = 20_000_000
# nearest depth in metres at which the floor is drawn
NEAR = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """A body to draw: vertices (V, 3) in its camera's frame; `color` is an index of `object_color`."""

    vertices: Floats
    faces: NDArray[np.int64]
    camera: Camera
    color: int


CAMERA_AXES = Ground(np.array([0.0, -1.0, 0.0]))


class TurnedViews:
    """Views from the right of the camera and from above, which show `points` (N, 3) of the camera frame.

    Both have `size` (height, width) or more. Where the ground is None, the axes are the camera's.
    """

    def __init__(self, points: Floats, ground: Ground | None, size: tuple[int, int]) -> None:
        self.ground = CAMERA_AXES if ground is None else ground
        self.size = max(size[0], LEAST_SIDE), max(size[1], LEAST_SIDE)
        right, down, forward = self.ground.axes()
        look = np.cos(SIDE_ELEVATION) * -right + np.sin(SIDE_ELEVATION) * down
        self._axes = (
            np.stack([forward, np.cross(look, forward), look]),
            np.stack([right, -forward, down]),
        )
        height = self.ground.height
        self._grid = None if height is None else list_grid(points, self.ground, height)
        if height is not None:
            points = np.concatenate([points, self._drop(points, height)])
        self._points = [points @ axes.T for axes in self._axes]
        spans = [np.maximum(np.ptp(seen[:, :2], axis=0), 1e-3) for seen in self._points]
        self.scale = float(min((FILL * np.array(self.size[::-1]) / span).min() for span in spans))
        """Pixels per metre."""

    def render(self, bodies: Sequence[PosedBody]) -> tuple[Rgb, Rgb]:
        """The bodies from the side and from above, each (H, W, 3) with its name and a bar of one metre."""
        floor = "floor unknown" if self.ground.height is None else "floor with cells of 1 m"
        labels = (f"from the right of the camera, {floor}", f"from above, camera below, {floor}")
        side, above = (
            _label(self._render(bodies, place), text, self.scale) for place, text in enumerate(labels)
        )
        return side, above

    def _render(self, bodies: Sequence[PosedBody], place: int) -> Rgb:
        axes, points, (height, width) = self._axes[place], self._points[place], self.size
        distance = ORTHOGRAPHIC_DISTANCE * max(float(np.ptp(points)), 1.0)
        focal = self.scale * distance
        camera = Camera(width, height, focal, focal, width / 2, height / 2)
        shift = np.array([0.0, 0.0, distance]) - (points.min(axis=0) + points.max(axis=0)) / 2
        canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
        if self.ground.height is not None and self._grid is not None:
            # from above, a body hides its own shadow
            for body in bodies if place == 0 else ():
                flat = self._drop(body.vertices, self.ground.height)
                _draw_shadow(canvas, flat @ axes.T + shift, body.faces, camera)
            draw_lines(canvas, self._grid @ axes.T + shift, camera, LINE, 1.0)
        turned = [replace(body, vertices=body.vertices @ axes.T + shift) for body in bodies]
        return _draw_meshes(canvas, turned, camera, 1.0)

    def _drop(self, points: Floats, height: float) -> Floats:
        """Points (N, 3) moved along gravity onto the floor."""
        dropped: Floats = points - np.outer(points @ self.ground.up - height, self.ground.up)
        return dropped


def render_body_panels(image: Rgb, bodies: Sequence[BodyEstimate]) -> Rgb:
    """Two by two: the image, the bodies over it, the bodies from the right of the camera and from above."""
    small = shrink_image(image, PANEL_SIDE)
    posed = [
        PosedBody(body.vertices, body.rig.faces, body.camera, index) for index, body in enumerate(bodies)
    ]
    if not posed:
        return np.hstack([small, small])
    ground = Ground.under(bodies)
    points = np.concatenate([body.vertices for body in posed])
    views = TurnedViews(points, ground, (small.shape[0], small.shape[1]))
    return stack_panels([small, draw_bodies(small.copy(), posed, ground), *views.render(posed)])


def draw_bodies(canvas: Rgb, bodies: Sequence[PosedBody], ground: Ground | None = None) -> Rgb:
    """Draw the floor, where it is known, and the bodies over `canvas`, a smaller image (H, W, 3)."""
    if not bodies:
        return canvas
    camera = bodies[0].camera.resized(canvas.shape[1], canvas.shape[0])
    if ground is not None and ground.height is not None:
        points = np.concatenate([body.vertices for body in bodies])
        draw_lines(canvas, list_grid(points, ground, ground.height), camera, OVER_IMAGE, LINE_OPACITY)
    return _draw_meshes(canvas, bodies, camera, OPACITY)


def stack_panels(panels: Sequence[Rgb]) -> Rgb:
    """Four panels two by two; smaller ones are centred on the background."""
    height, width = (max(panel.shape[axis] for panel in panels) for axis in (0, 1))
    padded = []
    for panel in panels:
        top, left = (height - panel.shape[0]) // 2, (width - panel.shape[1]) // 2
        full = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
        full[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        padded.append(full)
    return np.vstack([np.hstack(padded[:2]), np.hstack(padded[2:])])


def list_grid(points: Floats, ground: Ground, height: float) -> Floats:
    """The sides (N, 2, 3) of the floor's cells about points (P, 3), all in the camera frame.

    Cells are laid out from below the camera, so that their sides count metres from it.
    """
    right, _, forward = ground.axes()
    places = points @ np.stack([right, forward]).T
    low = np.floor((places.min(axis=0) - FLOOR_MARGIN) / CELL).astype(int)
    high = np.ceil((places.max(axis=0) + FLOOR_MARGIN) / CELL).astype(int)
    high = np.minimum(high, low + MOST_CELLS)
    x, z = (np.arange(low[k], high[k] + 1) * CELL for k in (0, 1))
    along = [((x[i], v), (x[i + 1], v)) for i in range(len(x) - 1) for v in z]
    across = [((u, z[i]), (u, z[i + 1])) for i in range(len(z) - 1) for u in x]
    sides = np.array(along + across, dtype=np.float64)
    grid: Floats = sides[..., :1] * right + sides[..., 1:] * forward + height * ground.up
    return grid


def draw_lines(canvas: Rgb, lines: Floats, camera: Camera, color: Color, opacity: float) -> None:
    """Draw lines (N, 2, 3) of the camera frame into `canvas`; those that come too near are left out."""
    shown = lines[lines[:, :, 2].min(axis=1) > NEAR]
    drawn = canvas.copy()
    # sixteenths of a pixel, as OpenCV's `shift` takes them; far outside, its integers would overflow
    ends = np.clip(camera.project(shown) - 0.5, -1e4, 1e4) * 16
    cv2.polylines(drawn, list(np.round(ends).astype(np.int32)), False, color, 1, cv2.LINE_AA, 4)
    canvas[:] = cv2.addWeighted(drawn, opacity, canvas, 1 - opacity, 0)


def _draw_meshes(canvas: Rgb, bodies: Sequence[PosedBody], camera: Camera, opacity: float) -> Rgb:
    if not bodies:
        return canvas
    starts = np.cumsum([0, *(len(body.vertices) for body in bodies)])
    faces = np.concatenate([body.faces + start for body, start in zip(bodies, starts, strict=False)])
    vertices = np.concatenate([body.vertices for body in bodies])
    palette = np.array([object_color(body.color) for body in bodies], dtype=np.uint8)
    colors = np.repeat(palette, np.diff(starts), axis=0)
    rendered, depth = render_mesh(vertices, faces, colors, camera, most_candidates=MOST_CANDIDATES)
    covered = np.isfinite(depth)
    canvas[covered] = ((1 - opacity) * canvas[covered] + opacity * rendered[covered]).astype(np.uint8)
    return canvas


def _draw_shadow(canvas: Rgb, flat: Floats, faces: NDArray[np.int64], camera: Camera) -> None:
    """What a body covers of the floor, seen straight from above: the shadow of one that floats is off it."""
    canvas[silhouette(flat, faces, camera, most_candidates=MOST_CANDIDATES)] = SHADOW


def _label(panel: Rgb, text: str, scale: float) -> Rgb:
    image = Image.fromarray(panel)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, panel.shape[1] // 50))
    draw.text((8, 6), text, font=font, fill=TEXT)
    bottom = panel.shape[0] - 12
    draw.line((10, bottom, 10 + scale, bottom), fill=TEXT, width=3)
    draw.text((10, bottom - 6), "1 m", font=font, fill=TEXT, anchor="lb")
    return np.asarray(image)
