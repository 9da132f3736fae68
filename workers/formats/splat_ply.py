"""Splat PLY in the 3D Gaussian Splatting layout (Kerbl et al. 2023): 17 little-endian float32 per Gaussian.

Colour is the spherical harmonic coefficient of degree 0, opacity a logit, scale a natural logarithm, the
quaternion wxyz. The frame is the object's canonical frame, y up, the same as in the GLB.
"""

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import color_to_sh, sh_to_color
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.ply_header import DTYPES, PlyElement, PlyError, parse_header
from workers.geometry.gaussians import Gaussians, sanitize

FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *("f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2"),
    *("rot_0", "rot_1", "rot_2", "rot_3"),
)


def write_splat_fields(fields: NDArray[np.float32]) -> bytes:
    """A PLY from encoded values (N, 17) in the order of `FIELDS`, bit for bit."""
    if fields.ndim != 2 or fields.shape[1] != len(FIELDS):
        raise ValueError(f"fields must have shape (N, {len(FIELDS)}), got {fields.shape}")
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(fields)}"]
    header += [f"property float {name}" for name in FIELDS]
    header.append("end_header\n")
    return "\n".join(header).encode("ascii") + np.ascontiguousarray(fields, dtype="<f4").tobytes()


def read_splat_fields(data: bytes) -> NDArray[np.float32]:
    """The encoded values (N, 17) of a binary splat PLY; other properties, such as f_rest, are left out.

    Missing normals are zero. Raises PlyError when the file is broken or is not a splat.
    """
    elements, start = parse_header(data)
    count, dtype = _vertex_layout(elements)
    missing = [name for name in FIELDS if name not in (dtype.names or ()) and not name.startswith("n")]
    if missing:
        raise PlyError(f"not a Gaussian splat: no {', '.join(missing)}")
    if len(data) - start < count * dtype.itemsize:
        raise PlyError(f"the header promises {count} Gaussians, the file ends before them")
    if count > MAX_GAUSSIANS:
        raise PlyError(f"{count} Gaussians; at most {MAX_GAUSSIANS} are supported")
    table = np.frombuffer(data, dtype=dtype, count=count, offset=start)
    out = np.zeros((count, len(FIELDS)), dtype=np.float32)
    for column, name in enumerate(FIELDS):
        if name in (dtype.names or ()):
            out[:, column] = table[name]
    return out


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
    return write_splat_fields(fields)


def read_splat_ply(data: bytes) -> Gaussians:
    """Decode and sanitise a splat PLY; raises PlyError when it cannot be read."""
    fields = read_splat_fields(data).astype(np.float64)
    with np.errstate(over="ignore"):
        splat = Gaussians(
            means=fields[:, 0:3].astype(np.float32),
            rotations=fields[:, 13:17].astype(np.float32),
            scales=np.exp(fields[:, 10:13]).astype(np.float32),
            opacities=(1 / (1 + np.exp(-fields[:, 9]))).astype(np.float32),
            colors=sh_to_color(fields[:, 6:9]).astype(np.float32),
        )
    return sanitize(splat)


def _vertex_layout(elements: list[PlyElement]) -> tuple[int, np.dtype[np.void]]:
    """The number of vertices and the type of their records; the vertex must be the first element."""
    if not elements or elements[0].name != "vertex":
        raise PlyError("the first element must be 'vertex'")
    vertex = elements[0]
    if any(words[0] == "list" for words in vertex.properties):
        raise PlyError("vertices with list properties are not supported")
    return vertex.count, np.dtype([(name, DTYPES[kind]) for kind, name in vertex.properties])
