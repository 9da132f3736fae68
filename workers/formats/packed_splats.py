"""Two formats of web viewers: `.splat` (antimatter15/splat), `.ksplat` (mkkellogg/GaussianSplats3D).

Both hold linear scales, sRGB bytes with opacity, and no harmonics. A `.splat` has no header: 32 bytes per
Gaussian, the most important ones first, because viewers show a file while it loads. A `.ksplat` is written
without compression: float32 throughout, one section, no buckets.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from workers.geometry.gaussians import Gaussians, drop_harmonics, sanitize

SPLAT_DTYPE = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
KSPLAT_DTYPE = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rotation", "<f4", 4), ("rgba", "u1", 4)])
KSPLAT_HEADER, KSPLAT_SECTION_HEADER = 4096, 1024
KSPLAT_VERSION = (0, 1)
# Harmonics are absent; readers still divide by their range.
KSPLAT_HARMONICS_RANGE = (-1.5, 1.5)


class PackedSplatError(ValueError):
    """A splat does not fit the format; the message says why."""


def sanitize_nonempty(splat: Gaussians) -> Gaussians:
    """A sanitised copy with colours of degree 0; raises PackedSplatError where nothing is left."""
    clean = sanitize(drop_harmonics(splat))
    if not len(clean):
        raise PackedSplatError("the file holds at least one Gaussian")
    return clean


def write_splat(splat: Gaussians) -> bytes:
    """A sanitised copy of `splat` as `.splat`, ordered by opacity times volume.

    Means and scales stay float32, colours and opacities are rounded to bytes, quaternions to 1/128.
    """
    clean = sanitize_nonempty(splat)
    volume = clean.scales.astype(np.float64).prod(axis=1) * clean.opacities
    ordered = clean.select(np.argsort(-volume, kind="stable"))
    rows = np.zeros(len(ordered), SPLAT_DTYPE)
    rows["mean"], rows["scale"], rows["rgba"] = ordered.means, ordered.scales, _encode_rgba(ordered)
    rows["rotation"] = np.clip(np.rint(ordered.rotations * 128.0) + 128, 0, 255).astype(np.uint8)
    return rows.tobytes()


def write_ksplat(splat: Gaussians) -> bytes:
    """A sanitised copy of `splat` as `.ksplat` of compression level 0; colours and opacities are bytes."""
    clean = sanitize_nonempty(splat)
    count = len(clean)
    rows = np.zeros(count, KSPLAT_DTYPE)
    rows["mean"], rows["scale"], rows["rgba"] = clean.means, clean.scales, _encode_rgba(clean)
    rows["rotation"] = clean.rotations
    center = (clean.means.min(axis=0).astype(np.float64) + clean.means.max(axis=0)) / 2
    header = struct.pack(
        "<BBxxIIIIHxx5f", *KSPLAT_VERSION, 1, 1, count, count, 0, *center, *KSPLAT_HARMONICS_RANGE
    )
    # counts, no buckets, and the bytes of the section's data
    section = struct.pack("<IIIIfHxxIIIIH", count, count, 0, 0, 0.0, 0, 0, rows.nbytes, 0, 0, 0)
    return header.ljust(KSPLAT_HEADER, b"\0") + section.ljust(KSPLAT_SECTION_HEADER, b"\0") + rows.tobytes()


def _encode_rgba(splat: Gaussians) -> NDArray[np.uint8]:
    rgba = np.column_stack([splat.colors, splat.opacities]).astype(np.float64)
    return np.rint(np.clip(rgba, 0, 1) * 255).astype(np.uint8)
