"""SOG, PlayCanvas's compressed splats for the web: version 2 bundles with SH degree 0.

A ZIP of meta.json and lossless WebP images, one pixel a Gaussian (developer.playcanvas.com, "The SOG
Format"): means as 16 bits an axis of sign(x) ln(1 + |x|), scales and colours as indices into tables of 256,
quaternions without their largest component, opacity as a byte. Gaussians are laid out along a Z-order curve.

Axes: the specification says x right, y up, z back, which is our canonical frame, so values are stored as they
are. Tools that copy the values of a 3DGS PLY (y down) into a SOG break that rule; `convert` rotates those on
request.
"""

import io
import json

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.formats.codebook import codebook, nearest
from workers.formats.color import color_to_sh
from workers.formats.smallest_three import LIMIT, drop_largest
from workers.formats.zip_writer import write_zip
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.morton import morton_order

# A quaternion's fourth byte is 252 plus the index of the component that is left out.
FIRST_TAG = 252
# The largest side of a WebP image.
LONGEST_SIDE = 16383


class SogError(ValueError):
    """The bytes are not a SOG that can be read, or the splat does not fit one; the message says why."""


def write_sog(splat: Gaussians) -> bytes:
    """Encode a sanitised copy of `splat`, reordered; the same splat gives the same bytes.

    Lossy: means to 2^-17 of the range of sign(x) ln(1 + |x|), quaternion components to 0.0028, opacity to
    1/510, ln(scale) and colour to the nearest of 256 entries fitted to this splat.
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
    meta = {
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
    files = {"meta.json": json.dumps(meta, separators=(",", ":"), allow_nan=False).encode()}
    files |= {name: _encode_webp(pixels) for name, pixels in images.items()}
    return write_zip(files.items())


def _quaternion_pixels(wxyz: NDArray[np.float32]) -> NDArray[np.uint8]:
    largest, rest = drop_largest(wxyz)
    quantised = np.rint((rest / LIMIT * 0.5 + 0.5) * 255).clip(0, 255)
    return np.column_stack([quantised, largest + FIRST_TAG]).astype(np.uint8)


def _encode_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Rows (N, 3 or 4) as the pixels of a nearly square lossless image; pixels left over are black."""
    count, channels = pixels.shape
    width = 4 * int(np.ceil(np.sqrt(count) / 4))
    height = 4 * int(np.ceil(count / width / 4))
    if max(width, height) > LONGEST_SIDE:
        raise SogError(f"{count} Gaussians do not fit into a WebP image")
    flat = np.zeros((width * height, channels), dtype=np.uint8)
    flat[:count] = pixels
    out = io.BytesIO()
    image = Image.fromarray(flat.reshape(height, width, channels))
    # Without `exact` the colours of transparent pixels are lost.
    image.save(out, "WEBP", lossless=True, exact=True, quality=75, method=4)
    return out.getvalue()
