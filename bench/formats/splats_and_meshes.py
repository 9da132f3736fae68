"""Reading and writing splats and meshes, beside the best library for each, in one run.

    python -m bench run formats.splats_and_meshes [--count 200000] [--rounds 5]

Splats are compared with gsply where it is installed (PLY, and SPZ where its extra `spz` is), meshes with
trimesh. Both sides go from arrays to bytes of a file and back, in turns. CPU milliseconds of the fastest
round, and the ratio of ours to theirs (below 1: ours is faster).
"""

import argparse
import importlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from bench.formats.splat_sizes import sphere
from bench.report import Report
from bench.timing import fastest, time_in_turns
from workers.formats.glb_builder import GlbBuilder
from workers.formats.glb_mesh_reader import read_mesh_glb
from workers.formats.obj_reader import read_mesh_obj
from workers.formats.obj_writer import write_mesh_obj
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz, write_spz
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, vertex_normals

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def splat_pairs(report: Report, splat: Gaussians, folder: Path) -> dict[str, Pair]:
    """Our function and gsply's for each task; empty without gsply."""
    try:
        gsply: Any = importlib.import_module("gsply")
    except ImportError:
        report.note("gsply is not installed: splats are not compared.")
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
        report.note(f"SPZ is not compared: {error}")
        return pairs
    pairs["write SPZ"] = (
        lambda: ours_spz.write_bytes(write_spz(splat)),
        lambda: gsply.write_spz(their_spz, theirs),
    )
    pairs["read SPZ"] = (lambda: read_spz(ours_spz.read_bytes()), lambda: gsply.read_spz(their_spz))
    return pairs


def mesh_pairs() -> dict[str, Pair]:
    """Our function and trimesh's for each task, on a ball of 80,000 faces with vertex colours."""
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

    glb_file, obj_file = glb(), write_mesh_obj(mesh)
    return {
        "write GLB": (glb, lambda: ball.export(file_type="glb")),
        "read GLB": (lambda: read_mesh_glb(glb_file), lambda: load(glb_file, "glb")),
        "write OBJ": (lambda: write_mesh_obj(mesh), lambda: ball.export(file_type="obj")),
        "read OBJ": (lambda: read_mesh_obj(obj_file), lambda: load(obj_file, "obj")),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=200_000, help="Gaussians")
    parser.add_argument("--rounds", type=int, default=5)


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = splat_pairs(report, sphere(options.count), Path(folder))
        columns = {"task": "", "ours CPU ms": ".1f", "library CPU ms": ".1f", "ratio": ".2f"}
        table = report.table("Ours and the library", columns)
        for name, pair in (pairs | mesh_pairs()).items():
            ours, theirs = (1e3 * fastest(each).cpu for each in time_in_turns(pair, options.rounds))
            table.add(name, ours, theirs, ours / theirs)
