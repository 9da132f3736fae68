"""The triangle meshes of a binary FBX file: vertices and faces, nothing else.

A file is a tree of nodes, each with the offset of its end, typed properties and children, so that everything
but the meshes is skipped unread. Versions before 7000 keep geometry elsewhere and are refused; from 7500 on,
offsets have 64 bits. Format: A. Ferrari and C. Barton, "FBX binary file format specification", Blender
developers' blog (2013).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"Kaydara FBX Binary  \x00"
HEADER_BYTES = 27
OLDEST, WIDE_FROM = 7000, 7500
ARRAYS = {b"d": "<f8", b"f": "<f4", b"i": "<i4", b"l": "<i8"}
LARGEST_ARRAY = 1 << 28


class FbxError(ValueError):
    """The file is no binary FBX of triangle meshes."""


@dataclass(frozen=True, slots=True, eq=False)
class FbxMesh:
    """Vertices (V, 3) in the file's units and axes, faces (F, 3)."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Node:
    name: bytes
    properties: int
    children: int
    end: int


def read_meshes(path: Path) -> list[FbxMesh]:
    """All meshes of a file, in its order. Raises FileNotFoundError and FbxError."""
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
            raise FbxError("this is not a binary FBX file")
        (version,) = struct.unpack_from("<I", head, 23)
        if version < OLDEST:
            raise FbxError(f"version {version} is older than {OLDEST}")
        size = path.stat().st_size
        try:
            return list(_meshes(stream, size, version >= WIDE_FROM))
        except (struct.error, zlib.error, RecursionError) as error:
            raise FbxError(f"the file is cut short or damaged: {error}") from error


def _meshes(stream: BinaryIO, size: int, wide: bool) -> Iterator[FbxMesh]:
    for top in _nodes(stream, HEADER_BYTES, size, wide):
        if top.name != b"Objects":
            continue
        for node in _nodes(stream, top.children, top.end, wide):
            if node.name != b"Geometry":
                continue
            parts = {part.name: part for part in _nodes(stream, node.children, node.end, wide)}
            # shapes have vertices too, but no polygons
            if b"Vertices" in parts and b"PolygonVertexIndex" in parts:
                vertices = _array(stream, parts[b"Vertices"]).astype(np.float64)
                corners = _array(stream, parts[b"PolygonVertexIndex"]).astype(np.int64)
                yield FbxMesh(*_triangles(vertices, corners))


def _nodes(stream: BinaryIO, at: int, end: int, wide: bool) -> Iterator[_Node]:
    form = struct.Struct("<QQQB" if wide else "<IIIB")
    while at + form.size <= end:
        stream.seek(at)
        stop, _, length, name_length = form.unpack(stream.read(form.size))
        if stop == 0:
            return
        if not at < stop <= end:
            raise FbxError(f"the node at {at} ends at {stop}, outside of its parent")
        name = stream.read(name_length)
        properties = at + form.size + name_length
        yield _Node(name, properties, properties + length, stop)
        at = stop


def _array(stream: BinaryIO, node: _Node) -> NDArray[Any]:
    stream.seek(node.properties)
    dtype = ARRAYS.get(stream.read(1))
    if dtype is None:
        raise FbxError(f"{node.name!r} has no array")
    count, encoding, stored = struct.unpack("<III", stream.read(12))
    expected = count * np.dtype(dtype).itemsize
    if expected > LARGEST_ARRAY or node.properties + 13 + stored > node.end:
        raise FbxError(f"{node.name!r} declares an array of {expected} bytes")
    data = stream.read(stored)
    if encoding == 1:
        data = zlib.decompressobj().decompress(data, expected)
    if len(data) != expected:
        raise FbxError(f"{node.name!r} is cut short")
    return np.frombuffer(data, dtype=dtype)


def _triangles(
    vertices: NDArray[np.float64], corners: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The last corner of a polygon is stored as its bitwise complement."""
    if len(vertices) % 3 or len(corners) % 3:
        raise FbxError("a mesh is not made of triangles")
    points, faces = vertices.reshape(-1, 3), corners.reshape(-1, 3).copy()
    if (faces[:, 2] >= 0).any() or (faces[:, :2] < 0).any():
        raise FbxError("a mesh is not made of triangles")
    faces[:, 2] = ~faces[:, 2]
    if len(faces) and faces.max() >= len(points):
        raise FbxError("a face names a vertex that is not there")
    return points, faces
