"""Gaussians PLY in the 3D Gaussian Splatting layout (Kerbl et al. 2023): 17 little-endian float32 a Gaussian.

Colour is the SH degree 0 coefficient, rgb = 0.5 + C0 * f_dc; opacity is a logit, scale a natural logarithm,
the quaternion wxyz. The frame is the object's canonical frame, y up, the same as the GLB's.
"""

import numpy as np
from numpy.typing import NDArray

from workers.formats.limits import MAX_GAUSSIANS
from workers.geometry.gaussians import Gaussians, sanitize

SH_C0 = 0.28209479177387814
FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *("f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2"),
    *("rot_0", "rot_1", "rot_2", "rot_3"),
)
READ_TYPES = {
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
    **dict.fromkeys(("char", "int8"), "<i1"),
    **dict.fromkeys(("uchar", "uint8"), "<u1"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("int", "int32"), "<i4"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
}
END = b"end_header\n"
MAX_HEADER = 65536
MAX_DIGITS = 18


class PlyError(ValueError):
    """The bytes are not a splat PLY that can be read; the message says why."""


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

    Missing normals read as zero. Raises PlyError when the file is broken or is not a splat.
    """
    elements, start = ply_elements(data)
    count, dtype = _vertex_layout(elements)
    missing = [name for name in FIELDS if name not in (dtype.names or ()) and not name.startswith("n")]
    if missing:
        raise PlyError(f"not a Gaussian splat: no {', '.join(missing)}")
    if len(data) - start < count * dtype.itemsize:
        raise PlyError(f"the header promises {count} Gaussians, the file ends before them")
    if count > MAX_GAUSSIANS:
        raise PlyError(f"{count} Gaussians; at most {MAX_GAUSSIANS} are read")
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
    fields[:, 6:9] = (clean.colors.astype(np.float64) - 0.5) / SH_C0
    fields[:, 9] = np.log(opacity / (1 - opacity))
    fields[:, 10:13] = np.log(clean.scales.astype(np.float64))
    fields[:, 13:17] = clean.rotations
    return write_splat_fields(fields)


def read_splat_ply(data: bytes) -> Gaussians:
    """Decode and sanitise a splat PLY; raises PlyError when it cannot be read."""
    wide = read_splat_fields(data).astype(np.float64)
    with np.errstate(over="ignore"):
        splat = Gaussians(
            means=wide[:, 0:3].astype(np.float32),
            rotations=wide[:, 13:17].astype(np.float32),
            scales=np.exp(wide[:, 10:13]).astype(np.float32),
            opacities=(1 / (1 + np.exp(-wide[:, 9]))).astype(np.float32),
            colors=(0.5 + SH_C0 * wide[:, 6:9]).astype(np.float32),
        )
    return sanitize(splat)


def ply_elements(data: bytes) -> tuple[list[tuple[str, int, list[list[str]]]], int]:
    """The elements of a binary little-endian PLY, and the offset of its data.

    Each element is its name, its count and its properties as words, [type, name] or [list, count type, type,
    name], with types of `READ_TYPES`. Raises PlyError when the header is broken.
    """
    end = data.find(END, 0, MAX_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise PlyError("no PLY header")
    try:
        lines = [line.split() for line in data[:end].decode("ascii").splitlines()[1:]]
    except UnicodeDecodeError as error:
        raise PlyError("the header is not ASCII") from error
    if ["format", "binary_little_endian", "1.0"] not in lines:
        raise PlyError("only binary_little_endian PLY is read")
    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in lines:
        if words[:1] == ["element"]:
            if len(words) != 3 or not words[2].isdigit() or len(words[2]) > MAX_DIGITS:
                raise PlyError("an element needs a name and a count")
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            types = words[2:4] if words[1:2] == ["list"] else words[1:2]
            fits = len(words) == (5 if words[1:2] == ["list"] else 3)
            if not fits or not elements or not all(kind in READ_TYPES for kind in types):
                raise PlyError(f"property not understood: {' '.join(words)}")
            elements[-1][2].append(words[1:])
    for name, _, properties in elements:
        names = [words[-1] for words in properties]
        if not names or len(set(names)) != len(names):
            raise PlyError(f"the element {name!r} has no properties, or repeats one")
    return elements, end + len(END)


def is_splat(data: bytes) -> bool:
    """Whether a PLY header tells of Gaussians rather than of a mesh."""
    return b" f_dc_0" in data[: max(0, data.find(END, 0, MAX_HEADER))]


def _vertex_layout(elements: list[tuple[str, int, list[list[str]]]]) -> tuple[int, np.dtype[np.void]]:
    """The number of vertices and the record type, from a file whose first element is the vertex."""
    if not elements or elements[0][0] != "vertex":
        raise PlyError("the first element must be 'vertex'")
    _, count, properties = elements[0]
    if any(words[0] == "list" for words in properties):
        raise PlyError("property not understood: a list of the vertices")
    return count, np.dtype([(name, READ_TYPES[kind]) for kind, name in properties])
