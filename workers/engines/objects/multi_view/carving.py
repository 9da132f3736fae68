"""Taking from a visual hull what the colours say is not there; kept only where it explains them better.

The depths that the colours give are fused as truncated signed distances (Curless & Levoy 1996) inside the
hull. Some views are held out: only where the carved surface, coloured by the others, looks more like them
than the hull does, is the hull carved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view import visual_hull as hull
from workers.engines.objects.multi_view.plane_sweep import Depths, sweep
from workers.engines.objects.multi_view.vertex_colors import colour
from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.engines.objects.splats.refinement import Target, target
from workers.engines.protocols import Mask, Rgb
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
LONG_SIDE = 128
LEAST_VIEWS = 6
HELD_EVERY = 4
TRUNCATION = 4.0
# depths are this share of a step too deep at edges, where the window looks past them
LEAN = 0.25
LEAST_VOTES = 3
LEAST_GAIN_DB = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Carved:
    """The field after carving, and by how many dB it explains held-out views better than the hull."""

    field: Field
    gain_db: float


def carve(
    grid: Grid, field: Field, images: Sequence[Rgb], masks: Sequence[Mask], views: Sequence[PosedCamera]
) -> Carved | None:
    """The hull's field carved by colour; None where views are too few or it does not explain them better."""
    if len(views) < LEAST_VIEWS:
        return None
    targets = [target(*of, LONG_SIDE) for of in zip(images, masks, views, strict=True)]
    points, faces = hull.surface(grid, field)
    depths = sweep(targets, grid, field, points, hull.middle(masks, views))
    if depths is None:
        return None
    held = range(HELD_EVERY // 2, len(targets), HELD_EVERY)
    shown = [number for number in range(len(targets)) if number not in held]
    votes = Votes.inside(grid, field)
    votes.add([depths[number] for number in shown])
    tried = votes.cut(field)
    if not (tried > 0).any():
        return None
    some, judges = [targets[number] for number in shown], [targets[number] for number in held]
    gain = _explained(*hull.surface(grid, tried), some, judges) - _explained(points, faces, some, judges)
    if gain < LEAST_GAIN_DB:
        return None
    votes.add([depths[number] for number in held])
    return Carved(votes.cut(field), round(gain, 3))


@dataclass(slots=True, eq=False)
class Votes:
    """Signed distances behind what views see, summed at grid indices (N, 3) inside a hull and just outside.

    A point far behind what a view sees is hidden from it, and the view says nothing of it.
    """

    grid: Grid
    indices: NDArray[np.int64]
    total: Array
    count: NDArray[np.int64]

    @classmethod
    def inside(cls, grid: Grid, field: Field) -> "Votes":
        """No votes yet, for the points of a hull."""
        indices = np.argwhere(field > -1.5 * grid.step)
        return cls(grid, indices, np.zeros(len(indices)), np.zeros(len(indices), dtype=np.int64))

    def add(self, depths: Sequence[Depths]) -> None:
        """Count what some views see."""
        reach = TRUNCATION * self.grid.step
        points = self.grid.world(self.indices.astype(np.float64))
        for one in depths:
            pixels, z = one.view.project(points)
            at = np.floor(pixels).astype(np.int64)
            height, width = one.depth.shape
            inside = (at[:, 0] >= 0) & (at[:, 1] >= 0) & (at[:, 0] < width) & (at[:, 1] < height)
            behind = np.full(len(points), np.inf)
            behind[inside] = z[inside] - one.depth[at[inside, 1], at[inside, 0]] + LEAN * self.grid.step
            counts = behind < reach
            self.total += np.where(counts, np.maximum(behind, -reach), 0.0)
            self.count += counts

    def cut(self, field: Field) -> Field:
        """The field, cut to the mean of the votes where there are enough."""
        out = field.copy()
        where = tuple(self.indices.T)
        mean = (self.total / np.maximum(self.count, 1)).astype(np.float32)
        out[where] = np.where(self.count >= LEAST_VOTES, np.minimum(field[where], mean), field[where])
        return out


def _explained(
    points: Array, faces: NDArray[np.int64], shown: Sequence[Target], judges: Sequence[Target]
) -> float:
    """PSNR in dB of the surface, coloured by some views, in others, over a middle grey."""
    pictures = [np.round(255 * one.color).astype(np.uint8) for one in shown]
    colors, _ = colour(points, faces, pictures, [one.view for one in shown])
    out = []
    for one in judges:
        drawn, _ = render_mesh(
            points,
            faces,
            colors,
            one.view.camera,
            one.view.cam_from_world,
            background=(128,) * 3,
            ambient=1.0,
        )
        wanted = 255 * one.color + 128 * (1 - one.alpha[..., None])
        error = float(((drawn.astype(np.float64) - wanted) ** 2).mean())
        out.append(10 * np.log10(255**2 / max(error, 1e-9)))
    return float(np.mean(out))
