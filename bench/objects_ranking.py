"""Learns which extrusion to believe, from shapes drawn at random, and writes the rules.

    python bench/objects_ranking.py [--shapes 400] [--seed 100]

Shapes of `objects_random.py` are lifted by the engine without extrusions; where it inflates them, every
extrusion that explains the mask is judged from other sides. Ridge regression then gives the weights in
`workers/engines/objects/ranking_weights.py`. It prints what choosing by the rules gives on the half of the
shapes that they were not fitted to, beside inflation alone and the best choice there is.
"""

import argparse
from pathlib import Path

import numpy as np
import objects_random as drawn
import objects_shapes as one
from numpy.typing import NDArray

from workers.engines.objects import ranking
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.single_view.coarse_mask import window_of
from workers.engines.objects.single_view.outline import clean_mask
from workers.geometry.cameras import Camera
from workers.geometry.raster import silhouette

Array = NDArray[np.float64]
Case = tuple[Array, float, Array, Array]
WEIGHTS = Path(__file__).parents[1] / "workers" / "engines" / "objects" / "ranking_weights.py"
DISTANCE, SIDE, JUDGED_SIDE = 2.6, 256, 128
VIEWS = (*one.NOVEL[::2], one.NOVEL[1], one.NOVEL[5])
RIDGE, RIDGE_INFLATED = 5.0, 2.0


class Judge:
    """Mean IoU from other sides with a shape (V, 3), (F, 3) in the camera frame."""

    def __init__(self, vertices: Array, faces: NDArray[np.int64]) -> None:
        self._depth = one.middle(vertices)[2]
        self._camera = Camera.with_field_of_view(JUDGED_SIDE, JUDGED_SIDE, 40.0)
        self._wanted = self._outlines(vertices, faces)

    def _outlines(self, vertices: Array, faces: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
        local = (vertices - np.array([0, 0, DISTANCE])) * [1, -1, -1]
        return [silhouette(one.orbit(*view, DISTANCE).apply(local), faces, self._camera) for view in VIEWS]

    def __call__(self, vertices: Array, faces: NDArray[np.int64]) -> float:
        placed = vertices * (self._depth / one.middle(vertices)[2])
        pairs = zip(self._outlines(placed, faces), self._wanted, strict=True)
        return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs]))


def case(engine: DefaultObjects, seed: int, index: int) -> Case | None:
    """The mask's figures, what inflation gives, and figures and results (N,) of all extrusions."""
    _, mesh, view = drawn.drawn(seed, index)
    vertices = np.asarray(mesh.vertices) - mesh.bounds.mean(axis=0)
    vertices = one.orbit(*view, DISTANCE).apply(vertices / np.ptp(vertices, axis=0).max())
    faces = np.asarray(mesh.faces, dtype=np.int64)
    camera = Camera.with_field_of_view(SIDE, SIDE, 40.0)
    mask = silhouette(vertices, faces, camera)
    asset = engine.reconstruct(np.full((SIDE, SIDE, 3), 128, np.uint8), mask, camera=camera)
    cleaned, parts = clean_mask(mask)
    if parts > 1 or "truncated" in asset.flags or any(flag in asset.flags for flag in one.SHAPE_FLAGS):
        return None
    judge = Judge(vertices, faces)
    inflated = judge(asset.pose.apply(asset.mesh.vertices), asset.mesh.faces)
    whole, found = ranking.figures(window_of(cleaned, camera))
    if not found:
        return None
    return (
        whole,
        inflated,
        np.array([figures for _, figures in found]),
        np.array([judge(*extrusion.mesh()) for extrusion, _ in found]),
    )


def ridge(rows: Array, goals: Array, strength: float) -> Array:
    """Weights (K,) of a linear rule whose first figure is 1, its other figures scaled to spread 1."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    mean[0], spread[0] = 0, 1
    scaled = (rows - mean) / spread
    weights = np.linalg.solve(scaled.T @ scaled + strength * np.eye(rows.shape[1]), scaled.T @ goals)
    out = weights / spread
    out[0] -= float((out[1:] * mean[1:]).sum())
    return np.asarray(out)


def fit(cases: list[Case]) -> tuple[Array, Array]:
    extruded = ridge(np.concatenate([c[2] for c in cases]), np.concatenate([c[3] for c in cases]), RIDGE)
    inflated = ridge(np.array([c[0] for c in cases]), np.array([c[1] for c in cases]), RIDGE_INFLATED)
    return extruded, inflated


def chosen(cases: list[Case], extruded: Array, inflated: Array) -> list[tuple[float, float, float]]:
    """Inflation's result, the rules' choice's and the best one's."""
    out = []
    for whole, plain, rows, results in cases:
        expected = rows @ extruded
        taken = expected.max() > whole @ inflated + ranking.MARGIN
        got = float(results[expected.argmax()]) if taken else plain
        out.append((plain, got, max(plain, float(results.max()))))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=400, help="how many shapes to draw")
    parser.add_argument("--seed", type=int, default=100, help="not 7, which is kept for judging")
    args = parser.parse_args()
    engine = DefaultObjects(splats=10, extrusions=False)
    cases = [c for c in (case(engine, args.seed, k) for k in range(args.shapes)) if c is not None]
    halves = [cases[::2], cases[1::2]]
    scores = chosen(halves[1], *fit(halves[0])) + chosen(halves[0], *fit(halves[1]))
    plain, got, best = np.mean(scores, axis=0)
    print(f"{len(cases)} shapes: inflated {plain:.3f}, chosen {got:.3f}, the best choice {best:.3f}")
    lines = ['"""Weights of `ranking`, written by `bench/objects_ranking.py`."""', ""]
    for name, weights in zip(("EXTRUDED", "INFLATED"), fit(cases), strict=True):
        lines += [f"{name} = (", *(f"    {value:.6g}," for value in weights), ")"]
    WEIGHTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
