"""Reading and writing splats and meshes, beside the best library for each, in one run.

    python -m bench run formats.splats_and_meshes [--count 200000] [--rounds 5]

Splats are compared with gsply where it is installed (PLY, and SPZ where its extra `spz` is), meshes with
trimesh. Both sides go from arrays to bytes of a file and back, in turns; prints milliseconds of CPU of the
fastest round and ours over theirs (under 1: ours is faster).
"""

import argparse
import importlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from bench.formats.splat_sizes import sphere
from workers.formats.gltf import GlbBuilder
from workers.formats.mesh_files import mesh_obj
from workers.formats.mesh_readers import read_mesh_glb, read_mesh_obj
from workers.formats.ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz, write_spz
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, vertex_normals

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def splat_pairs(splat: Gaussians, folder: Path) -> dict[str, Pair]:
    """Ours and gsply's, by what they do; empty without gsply."""
    try:
        gsply: Any = importlib.import_module("gsply")
    except ImportError:
        return {}
    opacities = splat.opacities.astype(np.float64)
    theirs = gsply.GSData(
        means=splat.means,
        scales=np.log(splat.scales),
        quats=splat.rotations,
        opacities=np.log(opacities / (1 - opacities)).astype(np.float32),
        sh0=((splat.colors - 0.5) / 0.28209479177387814).astype(np.float32),
        shN=np.zeros((len(splat.means), 0, 3), np.float32),
    )
    ours_ply, their_ply = folder / "ours.ply", folder / "theirs.ply"
    pairs: dict[str, Pair] = {
        "write PLY": (
            lambda: ours_ply.write_bytes(write_splat_ply(splat)),
            lambda: gsply.plywrite(their_ply, theirs),
        ),
        "read PLY": (lambda: read_splat_ply(ours_ply.read_bytes()), lambda: gsply.plyread(ours_ply)),
    }
    ours_spz, their_spz = folder / "ours.spz", folder / "theirs.spz"
    try:
        gsply.write_spz(their_spz, theirs)
    except ImportError as error:
        print(f"SPZ of gsply: {error}")
        return pairs
    pairs["write SPZ"] = (
        lambda: ours_spz.write_bytes(write_spz(splat)),
        lambda: gsply.write_spz(their_spz, theirs),
    )
    pairs["read SPZ"] = (lambda: read_spz(ours_spz.read_bytes()), lambda: gsply.read_spz(their_spz))
    return pairs


def mesh_pairs() -> dict[str, Pair]:
    """Ours and trimesh's, for a ball of 80,000 faces with vertex colours."""
    ball = trimesh.creation.icosphere(subdivisions=6)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces, dtype=np.int64)
    colors = np.clip(255 * (vertices + 1) / 2, 0, 255).astype(np.uint8)
    ball.visual.vertex_colors = colors
    mesh = Mesh(vertices, faces, colors)

    def glb() -> bytes:
        builder = GlbBuilder()
        normals = vertex_normals(vertices, faces)
        builder.add_node(
            "ball", mesh=builder.add_mesh("ball", vertices, faces, normals=normals, colors=colors)
        )
        return builder.build()

    def load(data: bytes, kind: str) -> Any:
        return trimesh.load(io.BytesIO(data), file_type=kind, process=False)

    made_glb, made_obj = glb(), mesh_obj(mesh)
    return {
        "write GLB": (glb, lambda: ball.export(file_type="glb")),
        "read GLB": (lambda: read_mesh_glb(made_glb), lambda: load(made_glb, "glb")),
        "write OBJ": (lambda: mesh_obj(mesh), lambda: ball.export(file_type="obj")),
        "read OBJ": (lambda: read_mesh_obj(made_obj), lambda: load(made_obj, "obj")),
    }


def fastest(pair: Pair, rounds: int) -> tuple[float, float]:
    """CPU milliseconds of each side's fastest round, in turns; the first round is thrown away."""
    best = [np.inf, np.inf]
    for number in range(rounds + 1):
        for side, call in enumerate(pair):
            start = time.process_time()
            call()
            if number:
                best[side] = min(best[side], 1000 * (time.process_time() - start))
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = splat_pairs(sphere(options.count), Path(folder))
        if not pairs:
            print("gsply is not installed: splats are not compared")
        print("what | ours ms | library ms | ratio")
        for name, pair in (pairs | mesh_pairs()).items():
            ours, theirs = fastest(pair, options.rounds)
            print(f"{name} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
