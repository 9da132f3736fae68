"""What the input camera sees of objects from real photos: mesh and splat against the photo, inside the mask.

    python -m bench run objects.photo_colors [PHOTO ...]

Without arguments, photos of scikit-image's package. The default concepts engine finds up to two objects of
each of its classes. PSNR in dB of the vertex colours, of the GLB's texture, and of the splat, over white.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage
from maquette.contract.vocabulary import COCO
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.report import Report
from bench.timing import Stopwatch
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.objects.default import DefaultObjects
from workers.engines.protocols import ObjectAsset, SegmentedInstance
from workers.engines.rasterisers.choice import choose_rasteriser
from workers.formats.images import encode_jpeg
from workers.geometry.gaussians import transform
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

Pixels = NDArray[np.uint8]
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png")
PER_CLASS = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="*", type=Path)


def run(options: argparse.Namespace, report: Report) -> None:
    carried = Path(skimage.__file__).parent / "data"
    columns = {"photo": "", "object": "", "pixels": "", "gaussians": "", "CPU ms": ".0f"}
    columns |= dict.fromkeys(("vertex colours", "texture", "splat"), ".1f")
    table = report.table("PSNR in dB", columns)
    concepts, objects, rasteriser = DefaultConcepts(), DefaultObjects(), choose_rasteriser()
    rows = []
    for path in options.photos or [carried / name for name in PHOTOS]:
        image = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        for found in find_objects(concepts, image):
            watch = Stopwatch()
            asset = objects.reconstruct(image, found.mask, label=found.label)
            cost = watch.lap()
            splat = rasteriser.render(
                transform(asset.splat, asset.pose), PosedCamera(asset.camera, Similarity())
            )
            over_white = splat.color + (1 - splat.alpha[..., None])
            views = (draw_vertex_colors(asset), draw_texture(asset), 255 * np.clip(over_white, 0, 1))
            values = [measure_psnr(view, image, found.mask) for view in views]
            table.add(
                path.name, found.label, int(found.mask.sum()), len(asset.splat), 1e3 * cost.cpu, *values
            )
            rows.append(values)
    means = np.mean(rows, axis=0).tolist() if rows else [None] * 3
    table.add("mean", None, None, None, None, *means)
    report.add(dict(zip(("vertex_colors_db", "texture_db", "splat_db"), means, strict=True)))


def find_objects(concepts: DefaultConcepts, image: Pixels) -> list[SegmentedInstance]:
    """The best instances of each class in an RGB image (H, W, 3)."""
    kept: list[SegmentedInstance] = []
    for found in concepts.ground(concepts.embed(image, str(hash(image.tobytes()))), COCO):
        if sum(other.label == found.label for other in kept) < PER_CLASS:
            kept.append(found)
    return kept


def draw_vertex_colors(asset: ObjectAsset) -> Pixels:
    """The mesh with its vertex colours, unlit, from its own camera (H, W, 3)."""
    mesh = asset.mesh
    return render_mesh(mesh.vertices, mesh.faces, mesh.colors, asset.camera, asset.pose, ambient=1.0)[0]


def draw_texture(asset: ObjectAsset) -> Pixels:
    """The mesh with the texture that its GLB has, unlit, from its own camera (H, W, 3)."""
    assert asset.photo is not None
    pixels = np.asarray(Image.open(io.BytesIO(encode_jpeg(asset.photo.pixels))).convert("RGB"))
    texture, mesh = replace(asset.photo, pixels=pixels), asset.mesh
    drawn, _ = render_mesh(
        mesh.vertices, mesh.faces, None, asset.camera, asset.pose, ambient=1.0, texture=texture
    )
    return drawn


def measure_psnr(drawn: NDArray[np.floating] | Pixels, photo: Pixels, mask: NDArray[np.bool_]) -> float:
    """PSNR in dB over the pixels of a mask (H, W)."""
    difference = drawn.astype(np.float64)[mask] - photo.astype(np.float64)[mask]
    return float(10 * np.log10(255**2 / np.mean(difference**2)))
