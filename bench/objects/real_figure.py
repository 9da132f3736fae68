"""Renders docs/figures/real-objects.jpg: unseen real objects, reconstructed from one view, and the truth.

    python -m bench run objects.real_figure [--meshes build/meshes] [--figure docs/figures/real-objects.jpg]

24 held-out objects under CC0, evenly over the list. For each the input on the left, and from the right,
behind, the left and above the reconstruction (upper row) and the truth (lower row).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.objects.geometry_scores import Array, orbit
from bench.objects.real import photograph_real, place_in_world
from bench.objects.real_meshes import RealMesh, RealView, draw_view, load_meshes
from bench.report import Report
from workers.engines.objects.default import DefaultObjects
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh

LIBRARY = "blendswap-cc-0-"
COUNT, COLUMNS, TILE = 24, 3, 96
# (azimuth from the input camera, elevation) in degrees
SIDES = ((75.0, 20.0), (180.0, 20.0), (285.0, 20.0), (30.0, 60.0))
CAMERA, DISTANCE = Camera.with_field_of_view(TILE, TILE, 25), 3.2
Rgb = NDArray[np.uint8]


def render_block(engine: DefaultObjects, mesh: RealMesh, view: RealView) -> Rgb:
    """The images of one object (2 * TILE, 6 * TILE, 3)."""
    image, mask, _ = photograph_real(mesh, view)
    asset = engine.reconstruct(image, mask, camera=view.camera)
    eye = np.asarray(view.pose.inverse().translation)
    front = float(np.degrees(np.arctan2(eye[0], eye[2])))

    def render_row(vertices: Array, faces: NDArray[np.int64], colors: Rgb | None) -> Rgb:
        poses = [orbit(front + azimuth, elevation, DISTANCE) for azimuth, elevation in SIDES]
        return np.hstack([render_mesh(vertices, faces, colors, CAMERA, pose)[0] for pose in poses])

    ours = render_row(place_in_world(asset, mesh, view), asset.mesh.faces, asset.mesh.colors)
    truth = render_row(mesh.vertices, mesh.faces, mesh.colors)
    shown = cv2.resize(image, (2 * TILE, 2 * TILE), interpolation=cv2.INTER_AREA)
    return np.hstack([np.asarray(shown, dtype=np.uint8), np.vstack([ours, truth])])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, default=Path("build/meshes"))
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/real-objects.jpg"))


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultObjects(splats=100)
    meshes = [mesh for mesh in load_meshes(options.meshes, held=True) if mesh.name.startswith(LIBRARY)]
    chosen = np.linspace(0, len(meshes) - 1, COUNT).astype(np.int64)
    blocks = [
        render_block(engine, meshes[k], draw_view(meshes[k], np.random.default_rng([7, int(k)]), 256))
        for k in chosen
    ]
    rows = [np.hstack(blocks[start : start + COLUMNS]) for start in range(0, COUNT, COLUMNS)]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    cv2.imwrite(str(options.figure), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), quality)
    report.note(f"The figure is {options.figure}.")
