"""Splat PLY in the 3D Gaussian Splatting layout (Kerbl et al. 2023): 17 little-endian float32 per Gaussian.

Colour is the spherical harmonic coefficient of degree 0, opacity a logit, scale a natural logarithm, the
quaternion wxyz. The frame is the object's canonical frame, y up, the same as in the GLB. Harmonics of higher
degrees add 9, 24 or 45 values `f_rest` after the colour: all of red, then of green, then of blue.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import color_to_sh, sh_to_color
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.losses import Losses, sanitize_read
from workers.formats.ply_data import read_tables
from workers.formats.ply_header import PlyElement, PlyError, PlyHeader, parse_header
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.spherical_harmonics import COUNTS

FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *("f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2"),
    *("rot_0", "rot_1", "rot_2", "rot_3"),
)
# after the colour of degree 0 come those of higher degrees
COLOR_END = FIELDS.index("opacity")


def write_splat_fields(fields: NDArray[np.float32], harmonics: NDArray[np.float32] | None = None) -> bytes:
    """A PLY from encoded values (N, 17) in the order of `FIELDS`, bit for bit, and coefficients (N, K, 3)."""
    if fields.ndim != 2 or fields.shape[1] != len(FIELDS):
        raise ValueError(f"fields must have shape (N, {len(FIELDS)}), got {fields.shape}")
    names, width = list(FIELDS), 0 if harmonics is None else harmonics.shape[1]
    names[COLOR_END:COLOR_END] = [f"f_rest_{index}" for index in range(3 * width)]
    table = np.empty((len(fields), len(names)), dtype="<f4")
    table[:, :COLOR_END], table[:, COLOR_END + 3 * width :] = fields[:, :COLOR_END], fields[:, COLOR_END:]
    if harmonics is not None:
        for channel in range(3):
            start = COLOR_END + channel * width
            table[:, start : start + width] = harmonics[:, :, channel]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(fields)}"]
    header += [f"property float {name}" for name in names]
    header.append("end_header\n")
    return b"".join(("\n".join(header).encode("ascii"), table.data))


def read_splat_fields(data: bytes) -> NDArray[np.float32]:
    """The encoded values (N, 17) of a splat PLY; other properties are left out.

    Missing normals are zero. Raises PlyError when the file is broken or is not a splat.
    """
    return _collect_fields(_read_columns(data))


def _read_columns(data: bytes) -> dict[str, NDArray[Any]]:
    header = parse_header(data)
    vertex = _check_layout(header)
    columns = next(read_tables(data, header))[1].columns
    if vertex.count > MAX_GAUSSIANS:
        raise PlyError(f"{vertex.count} Gaussians; at most {MAX_GAUSSIANS} are supported")
    return columns


def _collect_fields(columns: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    out = np.zeros((len(columns["x"]), len(FIELDS)), dtype=np.float32)
    # doubles beyond float32 become infinite, and their Gaussians are left out
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate(FIELDS):
            out[:, column] = columns.get(name, 0.0)
    return out


def _collect_harmonics(columns: dict[str, NDArray[Any]], losses: Losses | None) -> NDArray[np.float32] | None:
    """The coefficients (N, K, 3); None where all are zero, or where their number is of no degree."""
    named = {name: values for name, values in columns.items() if name.startswith("f_rest_")}
    if not any(values.any() for values in named.values()):
        return None
    count, extra = divmod(len(named), 3)
    if extra or count not in COUNTS or set(named) != {f"f_rest_{index}" for index in range(len(named))}:
        if losses is not None:
            losses["harmonics"] += len(columns["x"])
        return None
    harmonics = np.empty((len(columns["x"]), count, 3), np.float32)
    for index in range(3 * count):
        # doubles beyond float32 become infinite, and their Gaussians are left out
        harmonics[:, index % count, index // count] = named[f"f_rest_{index}"]
    return harmonics


def write_splat_ply(splat: Gaussians) -> bytes:
    """Encode a sanitised copy of `splat`; the same splat gives the same bytes."""
    clean = sanitize(splat)
    opacity = clean.opacities.astype(np.float64)
    fields = np.zeros((len(clean), len(FIELDS)), dtype=np.float32)
    fields[:, 0:3] = clean.means
    fields[:, 6:9] = color_to_sh(clean.colors)
    fields[:, 9] = np.log(opacity / (1 - opacity))
    fields[:, 10:13] = np.log(clean.scales.astype(np.float64))
    fields[:, 13:17] = clean.rotations
    return write_splat_fields(fields, clean.harmonics)


def read_splat_ply(data: bytes, losses: Losses | None = None) -> Gaussians:
    """Decode and sanitise a splat PLY; raises PlyError when it cannot be read."""
    with np.errstate(over="ignore", invalid="ignore"):
        columns = _read_columns(data)
        fields = _collect_fields(columns).astype(np.float64)
        splat = Gaussians(
            means=fields[:, 0:3].astype(np.float32),
            rotations=fields[:, 13:17].astype(np.float32),
            scales=np.exp(fields[:, 10:13]).astype(np.float32),
            opacities=(1 / (1 + np.exp(-fields[:, 9]))).astype(np.float32),
            colors=sh_to_color(fields[:, 6:9]).astype(np.float32),
            harmonics=_collect_harmonics(columns, losses),
        )
    return sanitize_read(splat, losses)


def _check_layout(header: PlyHeader) -> PlyElement:
    """The element of Gaussians, which must be the first and have all properties but normals."""
    if not header.elements or header.elements[0].name != "vertex":
        raise PlyError("the first element must be 'vertex'")
    vertex = header.elements[0]
    if any(words[0] == "list" for words in vertex.properties):
        raise PlyError("vertices with list properties are not supported")
    names = {words[1] for words in vertex.properties}
    missing = [name for name in FIELDS if name not in names and not name.startswith("n")]
    if missing:
        raise PlyError(f"not a Gaussian splat: no {', '.join(missing)}")
    return vertex
