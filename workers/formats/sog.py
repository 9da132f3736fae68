"""SOG, PlayCanvas's compressed splats for the web: version 2 bundles.

A ZIP of meta.json and lossless WebP images, one pixel a Gaussian (developer.playcanvas.com, "The SOG
Format"): means as 16 bits an axis of sign(x) ln(1 + |x|), scales and colours as indices into tables of 256,
quaternions without their largest component, opacity as a byte. Gaussians are laid out along a Z-order curve.
Harmonics are a palette of at most 65,536 entries, 64 in a row, whose coefficients are indices into one more
table, and the number of an entry for each Gaussian.

Axes: the specification says x right, y up, z back, which is our canonical frame, so values are stored as they
are. Tools that copy the values of a 3DGS PLY (y down) into a SOG break that rule; `convert` rotates those on
request.
"""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.formats.codebook import codebook, nearest
from workers.formats.color import color_to_sh
from workers.formats.smallest_three import LIMIT, drop_largest
from workers.formats.zip_writer import write_zip
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.morton import morton_order
from workers.geometry.spherical_harmonics import find_degree

# A quaternion's fourth byte is 252 plus the index of the component that is left out.
FIRST_TAG = 252
# The most entries of the palette of harmonics, and how many stand in a row of its image.
PALETTE, PALETTE_ROW = 65536, 64
# The largest side of a WebP image.
LONGEST_SIDE = 16383


class SogError(ValueError):
    """The bytes are not a SOG that can be read, or the splat does not fit one; the message says why."""


def write_sog(splat: Gaussians) -> bytes:
    """Encode a sanitised copy of `splat`, reordered; the same splat gives the same bytes.

    Lossy: means to 2^-17 of the range of sign(x) ln(1 + |x|), quaternion components to 0.0028, opacity to
    1/510, ln(scale), colour and harmonics to the nearest of 256 entries fitted to this splat. Beyond 65,536
    Gaussians neighbours on the curve share the mean of their harmonics.
    Raises SogError for a splat without Gaussians.
    """
    clean = sanitize(splat)
    count = len(clean)
    if not count:
        raise SogError("a SOG holds at least one Gaussian")
    order = morton_order(clean.means.astype(np.float64))
    means = clean.means[order].astype(np.float64)
    logs = np.sign(means) * np.log1p(np.abs(means))
    low, high = logs.min(axis=0), logs.max(axis=0)
    steps = np.rint((logs - low) / np.where(high > low, high - low, 1.0) * 65535).astype(np.uint16)
    scales = np.log(clean.scales[order].astype(np.float64))
    coefficients = color_to_sh(clean.colors[order])
    scale_table, color_table = codebook(scales.reshape(-1)), codebook(coefficients.reshape(-1))
    alpha = np.rint(clean.opacities[order].astype(np.float64) * 255).astype(np.uint8)
    images = {
        "means_l.webp": (steps & 0xFF).astype(np.uint8),
        "means_u.webp": (steps >> 8).astype(np.uint8),
        "scales.webp": nearest(scale_table, scales),
        "quats.webp": _quaternion_pixels(clean.rotations[order]),
        "sh0.webp": np.column_stack([nearest(color_table, coefficients), alpha]),
    }
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": "Maquette"},
        "count": count,
        "antialias": False,
        "means": {
            "mins": low.tolist(),
            "maxs": high.tolist(),
            "files": ["means_l.webp", "means_u.webp"],
        },
        "scales": {"codebook": scale_table.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": color_table.tolist(), "files": ["sh0.webp"]},
    }
    if clean.harmonics is not None:
        meta["shN"], more = _encode_harmonics(clean.harmonics[order])
        images |= more
    files = {"meta.json": json.dumps(meta, separators=(",", ":"), allow_nan=False).encode()}
    files |= {name: _encode_webp(pixels) for name, pixels in images.items()}
    return write_zip(files.items())


def _encode_harmonics(
    harmonics: NDArray[np.float32],
) -> tuple[dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """What meta.json says of coefficients (N, K, 3) in the file's order, and the pixels of two images."""
    count, width, _ = harmonics.shape
    labels = np.arange(count) // -(-count // PALETTE)
    entries = int(labels[-1]) + 1
    sums = np.zeros((entries, width, 3))
    np.add.at(sums, labels, harmonics)
    palette = sums / np.bincount(labels)[:, None, None]
    table = codebook(palette.reshape(-1))
    rows = -(-entries // PALETTE_ROW)
    centroids = np.zeros((rows * PALETTE_ROW, width, 3), np.uint8)
    centroids[:entries] = nearest(table, palette)
    meta = {
        "count": entries,
        "bands": find_degree(width),
        "codebook": table.tolist(),
        "files": ["shN_centroids.webp", "shN_labels.webp"],
    }
    pixels = np.column_stack([labels & 0xFF, labels >> 8, np.zeros_like(labels)]).astype(np.uint8)
    return meta, {
        "shN_centroids.webp": centroids.reshape(rows, PALETTE_ROW * width, 3),
        "shN_labels.webp": pixels,
    }


def _quaternion_pixels(wxyz: NDArray[np.float32]) -> NDArray[np.uint8]:
    largest, rest = drop_largest(wxyz)
    quantised = np.rint((rest / LIMIT * 0.5 + 0.5) * 255).clip(0, 255)
    return np.column_stack([quantised, largest + FIRST_TAG]).astype(np.uint8)


def _encode_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Rows (N, 3 or 4) as the pixels of a nearly square lossless image; pixels left over are black.

    Pixels (H, W, 3) are an image of that size.
    """
    if pixels.ndim == 3:
        return _save_webp(pixels)
    count, channels = pixels.shape
    width = 4 * int(np.ceil(np.sqrt(count) / 4))
    height = 4 * int(np.ceil(count / width / 4))
    if max(width, height) > LONGEST_SIDE:
        raise SogError(f"{count} Gaussians do not fit into a WebP image")
    flat = np.zeros((width * height, channels), dtype=np.uint8)
    flat[:count] = pixels
    return _save_webp(flat.reshape(height, width, channels))


def _save_webp(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    # Without `exact` the colours of transparent pixels are lost.
    image.save(out, "WEBP", lossless=True, exact=True, quality=75, method=4)
    return out.getvalue()
