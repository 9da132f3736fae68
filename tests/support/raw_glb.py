"""GLB files as other tools write them, assembled from JSON and arrays without the project's own writer."""

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
KINDS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
# A cube of side 1 about the origin: corners in binary order, faces counter-clockwise from outside.
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32)
FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ],
    np.uint16,
)


class RawGlb:
    """Collects buffer views and accessors; the caller writes meshes, nodes and the rest as JSON."""

    def __init__(self) -> None:
        self.binary = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_view(self, data: bytes, **fields: Any) -> int:
        """A buffer view of these bytes."""
        self.binary += b"\0" * (-len(self.binary) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data), **fields})
        self.binary += data
        return len(self.views) - 1

    def add(self, array: NDArray[Any], *, padding: int = 0, **fields: Any) -> int:
        """An accessor of these rows, with `padding` bytes after each row."""
        rows = array.reshape(len(array), -1)
        if padding:
            row_bytes = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
            padded = np.pad(row_bytes, ((0, 0), (0, padding)))
            view = self.add_view(padded.tobytes(), byteStride=padded.shape[1])
        else:
            view = self.add_view(rows.tobytes())
        return self.add_accessor(
            bufferView=view,
            componentType=KINDS[array.dtype.name],
            count=len(rows),
            type=TYPES[rows.shape[1]],
            **fields,
        )

    def add_accessor(self, **fields: Any) -> int:
        """An accessor as it stands."""
        self.accessors.append(fields)
        return len(self.accessors) - 1

    def build(self, meshes: list[Any], nodes: list[Any] | None = None, **document: Any) -> bytes:
        """The file; without `nodes` each mesh is shown by one node of the scene."""
        nodes = [{"mesh": index} for index in range(len(meshes))] if nodes is None else nodes
        content = {
            "asset": {"version": "2.0"},
            "buffers": [{"byteLength": len(self.binary)}],
            "bufferViews": self.views,
            "accessors": self.accessors,
            "meshes": meshes,
            "nodes": nodes,
            "scenes": [{"nodes": list(range(len(nodes)))}],
            "scene": 0,
        } | document
        text = json.dumps(content).encode()
        text += b" " * (-len(text) % 4)
        binary = self.binary + b"\0" * (-len(self.binary) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def build_cube(**attributes: NDArray[Any]) -> bytes:
    """A GLB of one cube with these attributes beside its positions."""
    raw = RawGlb()
    return raw.build([{"primitives": [cube_primitive(raw, **attributes)]}])


def cube_primitive(raw: RawGlb, **attributes: NDArray[Any]) -> dict[str, Any]:
    """An indexed primitive of a cube."""
    return {
        "attributes": {
            "POSITION": raw.add(CORNERS),
            **{name: raw.add(values) for name, values in attributes.items()},
        },
        "indices": raw.add(FACES.ravel()),
    }
