"""Reading GLB 2.0: enough to verify written files, and to merge or convert meshes."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb
from workers.formats.glb_container import BIN_CHUNK, JSON_CHUNK, MAGIC

BYTE, UBYTE, SHORT, USHORT, UINT, FLOAT = 5120, 5121, 5122, 5123, 5125, 5126
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
DTYPES: dict[int, type[np.generic]] = {
    BYTE: np.int8,
    UBYTE: np.uint8,
    SHORT: np.int16,
    USHORT: np.uint16,
    UINT: np.uint32,
    FLOAT: np.float32,
}
MAX_NODES = 10_000
Json = dict[str, Any]


class GlbError(ValueError):
    """The bytes are not a GLB that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class GlbMesh:
    """The first primitive of a mesh: float32 vertices (V, 3), int64 faces (F, 3), optional attributes.

    `normals` (V, 3); `colors` (V, 3) sRGB uint8; `uvs` (V, 2); `joints` (V, 4); `weights` (V, 4).
    """

    name: str
    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    normals: NDArray[np.float32] | None
    colors: NDArray[np.uint8] | None
    uvs: NDArray[np.float32] | None
    joints: NDArray[np.int64] | None
    weights: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Glb:
    """A parsed file: its JSON document and its binary chunk."""

    document: Json
    binary: bytes

    def accessor(self, index: int) -> NDArray[Any]:
        """The values of an accessor as (count,) or (count, components), in the file's own type."""
        item = self._item("accessors", index)
        if "sparse" in item:
            raise GlbError(f"accessor {index} is sparse, which is not supported")
        view = self._item("bufferViews", item.get("bufferView", -1))
        try:
            dtype = np.dtype(DTYPES[item["componentType"]]).newbyteorder("<")
            width, count = COMPONENTS[item["type"]], int(item["count"])
            start = int(view.get("byteOffset", 0)) + int(item.get("byteOffset", 0))
            stride = int(view.get("byteStride", width * dtype.itemsize))
        except (KeyError, TypeError, ValueError) as error:
            raise GlbError(f"accessor {index} is malformed: {error!r}") from error
        end = start + stride * (count - 1) + width * dtype.itemsize
        if count < 1 or start < 0 or stride < width * dtype.itemsize or end > len(self.binary):
            raise GlbError(f"accessor {index} reaches outside the binary chunk")
        values = np.ndarray((count, width), dtype, self.binary, start, (stride, dtype.itemsize)).copy()
        return values[:, 0] if width == 1 else values

    def mesh(self, index: int) -> GlbMesh:
        """The first primitive of mesh `index`; raises GlbError unless it is an indexed triangle list."""
        item = self._item("meshes", index)
        primitive = (item.get("primitives") or [{}])[0]
        attributes = primitive.get("attributes", {})
        if primitive.get("mode", 4) != 4 or "indices" not in primitive or "POSITION" not in attributes:
            raise GlbError(f"mesh {index} is not an indexed triangle list")
        arrays = {key: self.accessor(accessor) for key, accessor in attributes.items()}
        colors = arrays.get("COLOR_0")
        if colors is not None:
            largest = 1.0 if colors.dtype.kind == "f" else float(np.iinfo(colors.dtype).max)
            colors = linear_to_srgb(colors[:, :3].astype(np.float64) / largest)
        joints = arrays.get("JOINTS_0")
        return GlbMesh(
            name=str(item.get("name", "")),
            vertices=arrays["POSITION"],
            faces=self.accessor(primitive["indices"]).astype(np.int64).reshape(-1, 3),
            normals=arrays.get("NORMAL"),
            colors=colors,
            uvs=arrays.get("TEXCOORD_0"),
            joints=None if joints is None else joints.astype(np.int64),
            weights=arrays.get("WEIGHTS_0"),
        )

    def world_matrix(self, node: int) -> NDArray[np.float64]:
        """The 4x4 matrix that maps points of `node` into the scene."""
        return self.world_matrices()[node]

    def world_matrices(self) -> list[NDArray[np.float64]]:
        """The 4x4 matrices that map points of each node into the scene; raises GlbError for cycles."""
        nodes = self.document.get("nodes", [])
        if len(nodes) > MAX_NODES:
            raise GlbError(f"{len(nodes)} nodes; at most {MAX_NODES} are supported")
        parents = {child: index for index, item in enumerate(nodes) for child in item.get("children", ())}
        world: dict[int, NDArray[np.float64]] = {}
        for index in range(len(nodes)):
            chain: list[int] = []
            current: int | None = index
            while current is not None and current not in world:
                if len(chain) >= len(nodes):
                    raise GlbError("the nodes form a cycle")
                chain.append(current)
                current = parents.get(current)
            matrix = np.eye(4) if current is None else world[current]
            for step in reversed(chain):
                matrix = matrix @ _local_matrix(self._item("nodes", step))
                world[step] = matrix
        return [world[index] for index in range(len(nodes))]

    def _item(self, kind: str, index: int) -> Json:
        items = self.document.get(kind, [])
        if not isinstance(index, int) or not 0 <= index < len(items):
            raise GlbError(f"{kind}[{index}] does not exist")
        return dict(items[index])


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


def _local_matrix(node: Json) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.asarray(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)), dtype=np.float64)
    out[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return out
