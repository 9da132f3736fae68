"""Carving a visual hull by colour; kept only where it explains held-out views better.

Depth maps from colours are fused as truncated signed distances (Curless & Levoy 1996) inside the hull. Some
views are held out: only where the carved surface, coloured by the others, is nearer to them than the hull is
where they see both, the hull is carved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.distance_field import Array, DistanceField
from workers.engines.objects.multi_view.plane_sweep import DepthMap, sweep_depths
from workers.engines.objects.multi_view.vertex_colors import color_vertices
from workers.engines.objects.multi_view.views import MaskedViews
from workers.engines.objects.multi_view.visual_hull import triangulate_centre
from workers.engines.objects.splats.view_crops import ViewCrop, crop_views, split_held_out
from workers.geometry.mesh_renderer import render_mesh

# Longest side of the compared crops, in pixels: the sweep's time grows with its square.
LONG_SIDE = 128
# Fewer views leave too few neighbours and held-out views. Chosen, not measured.
MIN_VIEWS = 6
HELD_OUT_EVERY = 4
# Depth behind the surface up to which a view's distances count, in steps of the grid.
TRUNCATION_STEPS = 4.0
# At edges, where the window reaches past them, depths are this share of a step too deep.
DEPTH_BIAS_STEPS = 0.25
# Views that must agree on a point.
MIN_VOTES = 3
# Gain in dB, where held-out views see both surfaces, from which carving is kept. In no run of
# bench/objects/views.py at 360 degrees (ten shapes, four paints) did a shape lose F-score at 5%.
MIN_GAIN_DB = 0.2
# Grey levels by which photos differ without a reason: where errors are smaller, none is better than another.
# Without it a bottle of one colour is carved, whose F-score at 1% falls from 0.891 to 0.855.
NOISE = 2.0
# Share of the mask in a pixel from which its colour is the object's.
OPAQUE = 0.99
# Share of the hull's pixels in masks that a carved surface must keep. Of the first half of the held-out real
# objects an open cardboard box, a sofa and a football table lose 4 to 5% of them and gain 0.13, 0.05 and 0.08
# of F-score at 5%; peach blossom, which loses 28%, would lose 0.01.
MIN_KEPT_SHARE = 0.9

ColoredMesh = tuple[Array, NDArray[np.int64], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class CarvedHull:
    """The carved hull, and by how many dB it explains held-out views better than the hull."""

    field: DistanceField
    gain_db: float


def carve_by_color(hull: DistanceField, views: MaskedViews) -> CarvedHull | None:
    """The hull carved by colour; None for too few views, or where held-out views do not improve."""
    if len(views) < MIN_VIEWS:
        return None
    crops = crop_views(views.images, views.masks, views.cameras, LONG_SIDE)
    points, faces = hull.extract_mesh()
    depth_maps = sweep_depths(crops, hull, points, triangulate_centre(views))
    if depth_maps is None:
        return None
    held_out = range(HELD_OUT_EVERY // 2, len(crops), HELD_OUT_EVERY)
    votes = DepthVotes.inside(hull)
    votes.add([depth_map for number, depth_map in enumerate(depth_maps) if number not in held_out])
    trial = votes.carve(hull)
    if trial.is_empty():
        return None
    shown, judges = split_held_out(crops, HELD_OUT_EVERY)
    painted, whole = paint(*trial.extract_mesh(), shown), paint(points, faces, shown)
    gain, kept = compare_with_views(painted, whole, judges)
    if gain < MIN_GAIN_DB or kept < MIN_KEPT_SHARE:
        return None
    votes.add([depth_maps[number] for number in held_out])
    return CarvedHull(votes.carve(hull), round(gain, 3))


@dataclass(slots=True, eq=False)
class DepthVotes:
    """Signed distances to what views see, summed at grid `indices` (N, 3) in a hull and just outside.

    They are positive behind the surface. A point far behind it is hidden, and the view has no vote.
    """

    indices: NDArray[np.int64]
    points: Array
    step: float
    total: Array
    count: NDArray[np.int64]

    @classmethod
    def inside(cls, hull: DistanceField) -> "DepthVotes":
        """No votes yet, for the points of a hull."""
        grid = hull.grid
        indices = np.argwhere(hull.values > -1.5 * grid.step)
        points = grid.to_world(indices.astype(np.float64))
        return cls(indices, points, grid.step, np.zeros(len(indices)), np.zeros(len(indices), dtype=np.int64))

    def add(self, depth_maps: Sequence[DepthMap]) -> None:
        """Count the votes of some views."""
        reach = TRUNCATION_STEPS * self.step
        for depth_map in depth_maps:
            pixels, z = depth_map.view.project(self.points)
            at = np.floor(pixels).astype(np.int64)
            height, width = depth_map.depth.shape
            inside = (at[:, 0] >= 0) & (at[:, 1] >= 0) & (at[:, 0] < width) & (at[:, 1] < height)
            behind = np.full(len(self.points), np.inf)
            depth = depth_map.depth[at[inside, 1], at[inside, 0]]
            behind[inside] = z[inside] - depth + DEPTH_BIAS_STEPS * self.step
            counted = behind < reach
            self.total += np.where(counted, np.maximum(behind, -reach), 0.0)
            self.count += counted

    def carve(self, hull: DistanceField) -> DistanceField:
        """The hull, cut to the mean of the votes where there are enough."""
        values = hull.values.copy()
        at = tuple(self.indices.T)
        mean = (self.total / np.maximum(self.count, 1)).astype(np.float32)
        values[at] = np.where(self.count >= MIN_VOTES, np.minimum(hull.values[at], mean), hull.values[at])
        return hull.with_values(values)


def compare_with_views(
    trial: ColoredMesh, hull: ColoredMesh, judges: Sequence[ViewCrop]
) -> tuple[float, float]:
    """By how many dB a carved surface is nearer to `judges` than its hull, and which share of it is left.

    Colours are compared where both surfaces cover the mask: pixels that carving loses at the outline say that
    it went too far there, and nothing about the rest.
    """
    gains, kept = [], []
    for crop in judges:
        inside = crop.alpha >= OPAQUE
        (carved, carved_hit), (whole, whole_hit) = (_render(surface, crop) for surface in (trial, hull))
        both = inside & carved_hit & whole_hit
        kept.append(both.sum() / max(int((inside & whole_hit).sum()), 1))
        if both.any():
            errors = [float(((image - 255 * crop.color)[both] ** 2).mean()) for image in (carved, whole)]
            gains.append(10 * np.log10((errors[1] + NOISE**2) / (errors[0] + NOISE**2)))
    return float(np.mean(gains)) if gains else 0.0, float(np.mean(kept))


def _render(surface: ColoredMesh, crop: ViewCrop) -> tuple[Array, NDArray[np.bool_]]:
    """The surface as a crop's camera sees it (H, W, 3), in grey levels, and where it is."""
    image, depth = render_mesh(*surface, crop.view.camera, crop.view.cam_from_world, ambient=1.0)
    return image.astype(np.float64), np.isfinite(depth)


def paint(points: Array, faces: NDArray[np.int64], shown: Sequence[ViewCrop]) -> ColoredMesh:
    """A surface with the colours of some views."""
    images = [np.round(255 * crop.color).astype(np.uint8) for crop in shown]
    colors, _ = color_vertices(points, faces, images, [crop.view for crop in shown])
    return points, faces, colors
