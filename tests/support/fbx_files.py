"""Writes small binary FBX files, of both widths, after the published format."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Node = tuple[bytes, list[bytes], "Sequence[Node]"]


def array_property(code: bytes, values: np.ndarray, *, packed: bool = True) -> bytes:
    """An array property."""
    data = values.tobytes()
    stored = zlib.compress(data) if packed else data
    return code + struct.pack("<III", len(values), int(packed), len(stored)) + stored


def text_property(value: bytes) -> bytes:
    """A string property."""
    return b"S" + struct.pack("<I", len(value)) + value


def make_mesh_node(vertices: np.ndarray, faces: np.ndarray, *, packed: bool = True) -> Node:
    """A geometry of triangles."""
    corners = faces.astype("<i4").copy()
    corners[:, -1] = ~corners[:, -1]
    children: list[Node] = [
        (b"Vertices", [array_property(b"d", vertices.astype("<f8").ravel(), packed=packed)], []),
        (b"PolygonVertexIndex", [array_property(b"i", corners.ravel(), packed=packed)], []),
    ]
    return (
        b"Geometry",
        [b"L" + struct.pack("<q", 7), text_property(b"body"), text_property(b"Mesh")],
        children,
    )


def write_fbx(path: Path, objects: Sequence[Node], version: int = 7400) -> Path:
    """A file with one `Objects` node, after a node that a reader must skip."""
    shape: Node = (
        b"Geometry",
        [text_property(b"Shape")],
        [(b"Vertices", [array_property(b"d", np.ones(3))], [])],
    )
    tree: list[Node] = [
        (b"GlobalSettings", [text_property(b"skip me")], [(b"P", [text_property(b"UpAxis")], [])]),
        (b"Objects", [], [shape, *objects]),
    ]
    out = bytearray(b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", version))
    for node in tree:
        _append(out, node, version >= 7500)
    out += bytes(25 if version >= 7500 else 13)
    path.write_bytes(bytes(out))
    return path


def _append(out: bytearray, node: Node, wide: bool) -> None:
    name, properties, children = node
    form = "<QQQB" if wide else "<IIIB"
    start, body = len(out), b"".join(properties)
    out += bytes(struct.calcsize(form)) + name + body
    for child in children:
        _append(out, child, wide)
    if children:
        out += bytes(struct.calcsize(form))
    struct.pack_into(form, out, start, len(out), len(properties), len(body), len(name))
