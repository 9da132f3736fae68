"""Reading the triangles of a GLB's scene as one mesh, with vertex colours and textures of base colour.

Lines and points, nodes outside the scene, skins, animations and other maps are left out and counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb
from workers.formats.glb_accessors import MALFORMED, Json
from workers.formats.glb_materials import MaterialReader
from workers.formats.glb_reader import FAN, STRIP, TRIANGLES, Glb, read_glb
from workers.formats.limits import limit_decoded_bytes
from workers.formats.losses import Losses
from workers.formats.mesh_checks import MeshError, MeshTooLarge, build_mesh, check_file_size
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing, vertex_normals

COMPRESSIONS = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
POINTS, LINES, LINE_LOOP, LINE_STRIP = 0, 1, 2, 3
# Decoded bytes of a vertex by attribute, texture coordinates apart, and of a corner of a face.
VERTEX_BYTES = {"POSITION": 24, "NORMAL": 24, "COLOR_0": 24}
UV_BYTES, CORNER_BYTES = 16, 8
# A flatter matrix has no inverse that turns normals.
MIN_DETERMINANT = 1e-18


def read_mesh_glb(data: bytes, losses: Losses | None = None) -> Mesh:
    """All triangles of a GLB's default scene in the scene's frame, skinned ones at rest.

    Vertices that no face uses are left out. Raises MeshError when there are no triangles, for broken files,
    for compressed meshes, and for files that decode to far more than their own size.
    """
    check_file_size(data)
    try:
        reader = _SceneReader(
            read_glb(data), limit_decoded_bytes(len(data)), Losses() if losses is None else losses
        )
        return reader.read()
    except MALFORMED as error:
        if isinstance(error, MeshError):
            raise
        raise MeshError(f"the GLB cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class _Part:
    """One placed primitive; `normals` are unit, `colors` are linear (V, 3), `uvs` (V, 2)."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64] | None
    colors: NDArray[np.float64] | None
    uvs: NDArray[np.float64] | None
    material: TextureMaterial | None


class _SceneReader:
    """Collects the primitives of a scene, at most `limit` decoded bytes of them."""

    def __init__(self, glb: Glb, limit: int, losses: Losses) -> None:
        self._glb, self._limit, self._losses = glb, limit, losses
        self._materials = MaterialReader(glb, losses)
        self._decoded = 0
        self._parts: list[_Part] = []

    def read(self) -> Mesh:
        document = self._glb.document
        for name in COMPRESSIONS:
            if name in document.get("extensionsRequired", ()):
                raise MeshError(f"its meshes are compressed by {name}: export it without compression")
        nodes, matrices = document.get("nodes", []), self._glb.world_matrices()
        shown = self._glb.scene_nodes()
        placed = [index for index in shown if "mesh" in nodes[index]]
        # everything is counted before anything is decoded
        for index in placed:
            for primitive in self._glb.item("meshes", nodes[index]["mesh"])["primitives"]:
                self._charge(primitive)
        for index in placed:
            self._add_node(nodes[index], matrices[index])
        outside = set(range(len(nodes))) - set(shown)
        self._losses["nodes"] += sum("mesh" in nodes[index] for index in outside)
        self._losses["animations"] += len(document.get("animations", ()))
        if not self._parts:
            raise MeshError("no node of the scene shows a mesh of triangles")
        return _merge(self._parts)

    def _add_node(self, node: Json, matrix: NDArray[np.float64]) -> None:
        self._losses["instances"] += "EXT_mesh_gpu_instancing" in node.get("extensions", {})
        if "skin" in node:
            self._losses["skins"] += 1
            # a skinned mesh is placed by its joints, not by its node
            matrix = np.eye(4)
        mesh = self._glb.item("meshes", node["mesh"])
        self._losses["morphs"] += any(node.get("weights") or mesh.get("weights") or ())
        for primitive in mesh["primitives"]:
            mode = primitive.get("mode", TRIANGLES)
            if mode in (TRIANGLES, STRIP, FAN):
                self._add_primitive(primitive, matrix)
            else:
                self._count_left_out(primitive, mode)

    def _count_left_out(self, primitive: Json, mode: int) -> None:
        count = self._count_corners(primitive)
        if mode == POINTS:
            self._losses["points"] += count
        elif mode in (LINES, LINE_LOOP, LINE_STRIP):
            self._losses["lines"] += {LINES: count // 2, LINE_LOOP: count, LINE_STRIP: count - 1}[mode]
        else:
            raise MeshError(f"a primitive has the unknown mode {mode}")

    def _count_corners(self, primitive: Json) -> int:
        index = primitive.get("indices", primitive["attributes"]["POSITION"])
        return int(self._glb.item("accessors", index)["count"])

    def _charge(self, primitive: Json) -> None:
        """Count what a primitive of triangles decodes to; raises MeshTooLarge beyond the limit."""
        mode = primitive.get("mode", TRIANGLES)
        if mode not in (TRIANGLES, STRIP, FAN):
            return
        corners = self._count_corners(primitive)
        attributes = primitive["attributes"]
        size = sum(count for name, count in VERTEX_BYTES.items() if name in attributes)
        size += UV_BYTES * any(name.startswith("TEXCOORD_") for name in attributes)
        position = self._glb.item("accessors", attributes["POSITION"])
        # a sparse accessor is decoded in full, others only where faces use them
        vertices = int(position["count"])
        if not any("sparse" in self._glb.item("accessors", index) for index in attributes.values()):
            vertices = min(vertices, corners)
        self._decoded += vertices * size + corners * (1 if mode == TRIANGLES else 3) * CORNER_BYTES
        if self._decoded > self._limit:
            raise MeshTooLarge(f"its scene decodes to more than {self._limit} bytes, too much for its file")

    def _add_primitive(self, primitive: Json, matrix: NDArray[np.float64]) -> None:
        attributes = primitive["attributes"]
        count = int(self._glb.item("accessors", attributes["POSITION"])["count"])
        rows, faces = _compact(self._glb.triangles(primitive), count)
        if not len(faces):
            return
        if np.linalg.det(matrix[:3, :3]) < 0:
            # a mirroring matrix turns the outside in
            faces = faces[:, ::-1]
        points = self._glb.floats(attributes["POSITION"], 3, rows).astype(np.float64)
        base = self._materials.read(primitive.get("material"))
        colors = self._glb.colors(primitive, rows)
        if colors is not None and (colors == 1.0).all():
            colors = None
        uvs, material = None, base.material
        if material is not None and base.coordinates in attributes:
            uvs = self._glb.floats(attributes[base.coordinates], 2, rows).astype(np.float64)
            if base.transform is not None:
                uvs = uvs @ base.transform[:, :2].T + base.transform[:, 2]
        elif material is not None:
            self._losses["textures"] += 1
            material = None
        if material is None and base.factor != (1.0, 1.0, 1.0):
            factor = np.asarray(base.factor)
            colors = np.broadcast_to(factor, points.shape) if colors is None else colors * factor
        self._parts.append(
            _Part(
                points @ matrix[:3, :3].T + matrix[:3, 3],
                faces,
                self._read_normals(attributes, rows, matrix),
                colors,
                uvs,
                material,
            )
        )

    def _read_normals(
        self, attributes: Json, rows: NDArray[np.int64], matrix: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """The placed unit normals of a primitive; None where it has none, or where one has no direction."""
        if "NORMAL" not in attributes or abs(np.linalg.det(matrix[:3, :3])) < MIN_DETERMINANT:
            return None
        normals = self._glb.floats(attributes["NORMAL"], 3, rows) @ np.linalg.inv(matrix[:3, :3])
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return np.asarray(normals / length) if (length > 0).all() and np.isfinite(length).all() else None


def _compact(faces: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows (W,) of the vertices that faces use, in order, and the faces in terms of them."""
    if count > 4 * faces.size:
        rows, inverse = np.unique(faces, return_inverse=True)
        return rows, inverse.reshape(faces.shape)
    used = np.zeros(count, dtype=bool)
    used[faces] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[faces]


def _merge(parts: list[_Part]) -> Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    colors = None
    if any(part.colors is not None for part in parts):
        colors = np.concatenate(
            [
                np.full(part.vertices.shape, 255, dtype=np.uint8)
                if part.colors is None
                else linear_to_srgb(part.colors)
                for part in parts
            ]
        )
    return build_mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for start, part in zip(starts, parts, strict=False)]),
        colors,
        _merge_texturing(parts),
        _merge_normals(parts),
    )


def _merge_normals(parts: list[_Part]) -> NDArray[np.float64] | None:
    """Stated normals, and those of the faces for parts that state none; None where no part does."""
    if all(part.normals is None for part in parts):
        return None
    return np.concatenate(
        [
            vertex_normals(part.vertices, part.faces) if part.normals is None else part.normals
            for part in parts
        ]
    )


def _merge_texturing(parts: list[_Part]) -> Texturing | None:
    materials = list(dict.fromkeys(part.material for part in parts if part.material is not None))
    if not materials:
        return None
    numbers = {material: number for number, material in enumerate(materials)}
    return Texturing(
        uvs=np.concatenate(
            [np.zeros((len(part.vertices), 2)) if part.uvs is None else part.uvs for part in parts]
        ),
        face_materials=np.concatenate(
            [
                np.full(len(part.faces), -1 if part.material is None else numbers[part.material])
                for part in parts
            ]
        ),
        materials=tuple(materials),
    )
