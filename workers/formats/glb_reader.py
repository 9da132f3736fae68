"""Reading GLB 2.0: its container, accessors, node tree and primitives of triangles."""

import json
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb
from workers.formats.glb_accessors import (
    GlbError,
    Json,
    decode_data_uri,
    get_item,
    read_accessor,
    read_floats,
    read_view_bytes,
    take_rows,
)
from workers.formats.glb_container import BIN_CHUNK, JSON_CHUNK, MAGIC
from workers.formats.glb_nodes import find_scene_nodes, place_nodes

TRIANGLES, STRIP, FAN = 4, 5, 6


@dataclass(frozen=True, slots=True)
class GlbMesh:
    """The first primitive of a mesh: float vertices (V, 3), int64 faces (F, 3), optional attributes.

    `normals` (V, 3); `colors` (V, 3) sRGB uint8; `uvs` (V, 2); `joints` (V, 4); `weights` (V, 4).
    """

    name: str
    vertices: NDArray[Any]
    faces: NDArray[np.int64]
    normals: NDArray[Any] | None
    colors: NDArray[np.uint8] | None
    uvs: NDArray[Any] | None
    joints: NDArray[np.int64] | None
    weights: NDArray[Any] | None


@dataclass(frozen=True)
class Glb:
    """A parsed file: its JSON document and its binary chunk."""

    document: Json
    binary: bytes

    @cached_property
    def buffers(self) -> list[bytes | None]:
        """The buffers that are in the file: the binary chunk and data addresses; None for others."""
        contents: list[bytes | None] = []
        for index, item in enumerate(self.document.get("buffers") or [{}]):
            uri = item.get("uri")
            is_chunk = uri is None and index == 0
            contents.append(self.binary if is_chunk else None if uri is None else decode_data_uri(uri))
        return contents

    def item(self, kind: str, index: Any) -> Json:
        """Entry `index` of one of the document's lists; raises GlbError where there is none."""
        return get_item(self.document, kind, index)

    def accessor(self, index: int) -> NDArray[Any]:
        """The values of an accessor as (count,) or (count, components), in the file's own type."""
        return read_accessor(self.document, self.buffers, index)

    def floats(self, index: int, width: int, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """The values (count, width) of an accessor, or those at `rows`; normalised integers in [-1, 1]."""
        return read_floats(self.document, self.buffers, index, width, rows)

    def view_bytes(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        return read_view_bytes(self.document, self.buffers, index)

    def triangles(self, primitive: Json) -> NDArray[np.int64]:
        """Faces (F, 3) of a primitive: a list, a strip or a fan, with or without indices.

        Raises GlbError for primitives of another mode and for vertices that do not exist.
        """
        count = int(self.item("accessors", primitive["attributes"]["POSITION"])["count"])
        if "indices" in primitive:
            corners = self.accessor(primitive["indices"]).astype(np.int64)
            if len(corners) and (corners.min() < 0 or corners.max() >= count):
                raise GlbError("faces use vertices that do not exist")
        else:
            corners = np.arange(count, dtype=np.int64)
        mode = primitive.get("mode", TRIANGLES)
        if mode == TRIANGLES:
            return corners[: len(corners) // 3 * 3].reshape(-1, 3)
        if mode == STRIP:
            faces = np.column_stack([corners[:-2], corners[1:-1], corners[2:]])
            # every second triangle of a strip is wound the other way
            faces[1::2, :2] = faces[1::2, 1::-1]
            # strips are joined by triangles without area
            a, b, c = faces.T
            return np.asarray(faces[(a != b) & (b != c) & (c != a)])
        if mode == FAN:
            first = np.broadcast_to(corners[:1], max(0, len(corners) - 2))
            return np.column_stack([first, corners[1:-1], corners[2:]])
        raise GlbError(f"a primitive of mode {mode} has no triangles")

    def colors(self, primitive: Json, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64] | None:
        """COLOR_0 of a primitive as linear RGB (V, 3) in [0, 1], from bytes, 16 bits or floats.

        With `rows`, only of those vertices.
        """
        index = primitive["attributes"].get("COLOR_0")
        if index is None:
            return None
        values = self.accessor(index)
        if rows is not None:
            values = take_rows(values, rows)
        if values.ndim != 2 or values.shape[1] not in (3, 4):
            raise GlbError("COLOR_0 needs three or four components")
        largest = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        return np.clip(np.nan_to_num(values[:, :3].astype(np.float64) / largest), 0.0, 1.0)

    def mesh(self, index: int) -> GlbMesh:
        """The first primitive of mesh `index`, for checking written files; raises GlbError without one."""
        item = self.item("meshes", index)
        primitive = (item.get("primitives") or [{}])[0]
        attributes = primitive.get("attributes", {})
        if "POSITION" not in attributes:
            raise GlbError(f"mesh {index} has no vertices")

        def read(name: str, width: int) -> NDArray[Any] | None:
            return self.floats(attributes[name], width) if name in attributes else None

        colors = self.colors(primitive)
        joints = self.accessor(attributes["JOINTS_0"]) if "JOINTS_0" in attributes else None
        return GlbMesh(
            name=str(item.get("name", "")),
            vertices=self.floats(attributes["POSITION"], 3),
            faces=self.triangles(primitive),
            normals=read("NORMAL", 3),
            colors=None if colors is None else linear_to_srgb(colors),
            uvs=read("TEXCOORD_0", 2),
            joints=None if joints is None else joints.astype(np.int64),
            weights=read("WEIGHTS_0", 4),
        )

    def scene_nodes(self) -> list[int]:
        """The nodes that the default scene shows, parents before children."""
        return find_scene_nodes(self.document)

    def world_matrix(self, node: int) -> NDArray[np.float64]:
        """The 4x4 matrix that maps points of `node` into the scene."""
        return self.world_matrices()[node]

    def world_matrices(self) -> list[NDArray[np.float64]]:
        """The 4x4 matrices that map points of each node into the scene; raises GlbError for cycles."""
        return place_nodes(self.document)


def read_glb(data: bytes) -> Glb:
    """Parse a GLB 2.0 file; raises GlbError when the container or its JSON is broken."""
    if len(data) < 20:
        raise GlbError("shorter than a GLB header")
    magic, version, length = struct.unpack_from("<III", data)
    if magic != MAGIC or version != 2:
        raise GlbError("not a GLB 2.0 file")
    if length != len(data):
        raise GlbError(f"the header promises {length} bytes, the file has {len(data)}")
    chunks: dict[int, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        offset += 8
        if offset + size > length:
            raise GlbError("a chunk reaches past the end of the file")
        chunks.setdefault(kind, data[offset : offset + size])
        offset += size
    try:
        document = json.loads(chunks[JSON_CHUNK])
    except (KeyError, ValueError, RecursionError) as error:
        raise GlbError("no readable JSON chunk") from error
    if not isinstance(document, dict):
        raise GlbError("the JSON chunk is not an object")
    return Glb(document, chunks.get(BIN_CHUNK, b""))
