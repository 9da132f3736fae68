"""Renders the samples that the shape prior learns from, in shards of 512.

    python -m scripts.training.render_samples drawn --shards 25 [--seed 1] [--out build/prior]
    python -m scripts.training.render_samples real --meshes build/meshes --shards 24

`drawn` are objects of `drawn_shapes`, `real` those that `lay_out_meshes` laid out and did not hold out.
Each shard depends on the seed and its number alone; shards that are already there are not made again.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.objects.real_meshes import RealMesh, load_meshes
from scripts.training.drawn_shapes import draw_shape
from scripts.training.primitives import Array
from scripts.training.samples import Sample, render_sample

SHARD = 512
# Views of one real mesh in a shard: loading it takes longer than a view.
VIEWS_PER_MESH = 16
# Share of things that are handled; two thirds of the meshes are furniture.
HANDHELD_SHARE = 0.75
# Shares of views of stretched and of tapered meshes, the deviation of a stretch's logarithm, and the largest
# taper over the height: few meshes become many proportions.
STRETCHED_SHARE, TAPERED_SHARE, STRETCH, TAPER = 0.6, 0.25, 0.25, 0.5


def render_drawn(rng: np.random.Generator) -> Iterator[Sample]:
    """Endless samples of drawn objects, each seen twice."""
    while True:
        vertices, faces, owner = draw_shape(rng)
        for _ in range(2):
            sample = render_sample(rng, vertices, faces, owner, None)
            if sample is not None:
                yield sample


def render_real(rng: np.random.Generator, meshes: list[RealMesh]) -> Iterator[Sample]:
    """Endless samples of real objects."""
    kinds = [[mesh for mesh in meshes if mesh.kind == kind] for kind in ("furniture", "handheld")]
    while True:
        chosen = kinds[int(rng.random() < HANDHELD_SHARE)] or meshes
        mesh = chosen[int(rng.integers(len(chosen)))]
        for _ in range(VIEWS_PER_MESH):
            vertices = deform(rng, mesh.vertices)
            sample = render_sample(rng, vertices, mesh.faces, None, mesh.colors)
            if sample is not None:
                yield sample


def deform(rng: np.random.Generator, vertices: Array) -> Array:
    """Vertices (V, 3), y up, stretched and tapered at random; longest side 1 about the origin."""
    if rng.random() < STRETCHED_SHARE:
        vertices = vertices * np.exp(rng.normal(0, STRETCH, 3))
    if rng.random() < TAPERED_SHARE:
        height = vertices[:, 1:2] / float(np.ptp(vertices[:, 1]) or 1.0)
        vertices = vertices * np.where([True, False, True], 1 + rng.uniform(-TAPER, TAPER) * height, 1.0)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return np.asarray((vertices - (low + high) / 2) / float((high - low).max()))


def write_shard(path: Path, samples: Iterator[Sample]) -> None:
    """Write the next samples as arrays of one file, completely or not at all."""
    chosen = [sample for sample, _ in zip(samples, range(SHARD), strict=False)]
    arrays = {name: np.stack([getattr(s, name) for s in chosen]) for name in ("rgb", "mask", "front", "back")}
    partial = path.with_suffix(".part")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            allow_pickle=False,
            tangent=np.array([s.tangent for s in chosen], np.float32),
            **arrays,
        )
    partial.replace(path)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=("drawn", "real"))
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--meshes", type=Path, default=Path("build/meshes"))
    parser.add_argument("--out", type=Path, default=Path("build/prior"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    meshes = list(load_meshes(options.meshes, held=False)) if options.kind == "real" else []
    for number in range(options.first, options.first + options.shards):
        path = options.out / f"{options.kind}-{number:04}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([options.seed, len(meshes) > 0, number])
        write_shard(path, render_real(rng, meshes) if meshes else render_drawn(rng))
        print(path, flush=True)


if __name__ == "__main__":
    main()
