"""What the page shows in 3D, compared with this project's own renderers: prints a PSNR in dB.

python -m tests.support.page_views mesh|splat ASSET SCREENSHOT DEGREES
"""

import sys
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from workers.engines.rasterisers.choice import choose_rasteriser
from workers.formats.splat_ply import read_splat_ply
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
# the page's camera: its field of view, from where it looks, and how much farther than needed
FIELD_OF_VIEW = 40.0
DIRECTION = (0.55, 0.4, 1.0)
MARGIN = 1.05
# the colour behind the asset in the screenshot
BACKGROUND = (255, 0, 255)


def look_at(low: Array, high: Array, size: tuple[int, int], degrees: float) -> PosedCamera:
    """The page's camera before an asset with these bounds, turned by `degrees` about the vertical."""
    centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    half = np.radians(FIELD_OF_VIEW) / 2
    offset = np.array(DIRECTION) / np.linalg.norm(DIRECTION) * radius / np.sin(half) * MARGIN
    turn = np.radians(degrees)
    x, y, z = offset
    offset = np.array([x * np.cos(turn) + z * np.sin(turn), y, z * np.cos(turn) - x * np.sin(turn)])
    forward = -offset / np.linalg.norm(offset)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    width, height = size
    # it is the angle of the shorter side
    focal = min(width, height) / 2 / np.tan(half)
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    return PosedCamera(camera, Similarity.from_parts(rotation, -rotation @ (centre + offset)))


def render_normals(asset: Path, size: tuple[int, int], degrees: float) -> Array:
    """A GLB whose colours are its normals as the camera sees them: x right, y up, z towards the viewer."""
    mesh = trimesh.load(asset, force="mesh", process=False)
    low, high = mesh.bounds
    view = look_at(low, high, size, degrees)
    seen = mesh.vertex_normals @ view.cam_from_world.rotation_matrix().T * (1, -1, -1)
    colors = np.round(255 * (0.5 + 0.5 * seen)).clip(0, 255).astype(np.uint8)
    faces = np.asarray(mesh.faces, dtype=np.int64)
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    drawn, _ = render_mesh(
        vertices, faces, colors, view.camera, view.cam_from_world, background=BACKGROUND, ambient=1.0
    )
    return drawn.astype(np.float64)


def render_splat(asset: Path, size: tuple[int, int], degrees: float) -> Array:
    """A splat PLY over BACKGROUND."""
    splat = read_splat_ply(asset.read_bytes())
    means = splat.means.astype(np.float64)
    view = look_at(means.min(axis=0), means.max(axis=0), size, degrees)
    drawn = choose_rasteriser().render(splat, view)
    return np.asarray(255 * drawn.color + (1 - drawn.alpha[..., None]) * np.array(BACKGROUND), np.float64)


def main(kind: str, asset: str, screenshot: str, degrees: str) -> None:
    """Print the PSNR over the asset's own bounding box, in which the background counts little."""
    shown = np.asarray(Image.open(screenshot).convert("RGB"), dtype=np.float64)
    size = (shown.shape[1], shown.shape[0])
    render = render_normals if kind == "mesh" else render_splat
    expected = render(Path(asset), size, float(degrees))
    rows, columns = np.nonzero(np.abs(expected - np.array(BACKGROUND)).max(axis=2) > 8)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    error = np.mean((shown[box] - expected[box]) ** 2)
    sys.stdout.write(f"{10 * np.log10(255**2 / error):.2f}\n")
    # beside the screenshot, for whoever looks into a difference
    Image.fromarray(expected.round().clip(0, 255).astype(np.uint8)).save(
        Path(screenshot).with_name(f"expected-{kind}.png")
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
