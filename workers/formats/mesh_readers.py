"""Reading meshes: GLB, Wavefront OBJ and binary PLY, each into the frame and units of its file.

What a `Mesh` cannot hold is left out: normals, texture coordinates, textures, materials, skins, animations.
"""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.formats.glb_reader import Glb, GlbError, GlbMesh, read_glb
from workers.formats.limits import MAX_MESH_BYTES
from workers.formats.ply_header import DTYPES, PlyError, parse_header
from workers.geometry.meshes import Mesh

# Types that may count the corners of a face.
COUNT_DTYPES = ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4")
OBJ_VERTEX = re.compile(rb"^v[ \t]", re.MULTILINE)


class MeshError(ValueError):
    """The bytes are not a mesh that can be read; the message says why."""


def read_mesh_glb(data: bytes) -> Mesh:
    """All triangle meshes of a GLB in its scene's frame, skinned ones at rest.

    Raises MeshError when there are none, and for broken files.
    """
    _check_size(data)
    try:
        return _merge_nodes(read_glb(data))
    except (GlbError, KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, MeshError):
            raise
        raise MeshError(f"the GLB cannot be read: {error}") from error


def read_mesh_obj(data: bytes) -> Mesh:
    """Vertices, faces and `v x y z r g b` colours of an OBJ; polygons become fans of triangles.

    Raises MeshError for text that is not an OBJ, and for faces of vertices that do not exist.
    """
    _check_size(data)
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    try:
        for line in data.split(b"\n"):
            if line.startswith((b"v ", b"v\t")):
                vertices.append([float(word) for word in line.split()[1:]])
            elif line.startswith((b"f ", b"f\t")):
                corners = [int(word.split(b"/")[0]) for word in line.split()[1:]]
                # Negative indices count back from the last vertex so far.
                corners = [len(vertices) + c if c < 0 else c - 1 for c in corners]
                if len(corners) < 3 or not 0 <= min(corners) <= max(corners) < MAX_MESH_BYTES:
                    raise MeshError("a face of the OBJ needs three vertices that exist")
                faces += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    except ValueError as error:
        raise MeshError(f"the OBJ cannot be read: {error}") from error
    widths = {len(vertex) for vertex in vertices}
    if widths - {3, 6} or len(widths) != 1:
        raise MeshError("each vertex of the OBJ needs three numbers, or six with a colour")
    table = np.array(vertices, dtype=np.float64)
    colors = None
    if table.shape[1] == 6:
        colors = np.rint(np.clip(np.nan_to_num(table[:, 3:]), 0, 1) * 255).astype(np.uint8)
    return _checked_mesh(table[:, :3], np.array(faces, dtype=np.int64).reshape(-1, 3), colors)


def read_mesh_ply(data: bytes) -> Mesh:
    """A binary little-endian PLY of triangles, with sRGB uint8 `red green blue` where vertices have them.

    Raises MeshError for other layouts, and when the counts do not match the file.
    """
    _check_size(data)
    try:
        elements, start = parse_header(data)
    except PlyError as error:
        raise MeshError(str(error)) from error
    vertices: NDArray[np.void] | None = None
    for element in elements:
        name, count, properties = element.name, element.count, element.properties
        if name == "face":
            if vertices is None:
                break
            dtype = _face_dtype(properties)
            if count * dtype.itemsize > len(data) - start:
                raise MeshError(f"the header promises {count} faces, the file ends before them")
            table = np.frombuffer(data, dtype, count, start)
            if (table["corners"] != 3).any():
                raise MeshError("only triangles are supported")
            return _to_mesh(vertices, table["faces"].astype(np.int64))
        if any(words[0] == "list" for words in properties):
            raise MeshError(f"the list of the element {name!r} is not supported")
        dtype = np.dtype([(words[1], DTYPES[words[0]]) for words in properties])
        if count * dtype.itemsize > len(data) - start:
            raise MeshError(f"the header promises {count} of {name!r}, the file ends before them")
        if name == "vertex":
            vertices = np.frombuffer(data, dtype, count, start)
        start += count * dtype.itemsize
    raise MeshError("no faces after the vertices")


def _face_dtype(properties: list[list[str]]) -> np.dtype[np.void]:
    """The type of one record of the element `face`, whose one list is taken to have three corners."""
    columns: list[tuple[str, str] | tuple[str, str, int]] = []
    for words in properties:
        if words[0] != "list":
            columns.append((f"other_{words[1]}", DTYPES[words[0]]))
        elif words[3] in ("vertex_indices", "vertex_index") and DTYPES[words[1]] in COUNT_DTYPES:
            columns += [("corners", DTYPES[words[1]]), ("faces", DTYPES[words[2]], 3)]
        else:
            raise MeshError(f"the list {words[3]!r} of faces is not supported")
    if sum(name == "faces" for name, *_ in columns) != 1:
        raise MeshError("faces need one list 'vertex_indices'")
    return np.dtype(columns)


def _to_mesh(vertices: NDArray[np.void], faces: NDArray[np.int64]) -> Mesh:
    names = vertices.dtype.names or ()
    if not {"x", "y", "z"} <= set(names):
        raise MeshError("vertices need x, y and z")
    xyz = np.column_stack([vertices[axis].astype(np.float64) for axis in "xyz"])
    colors = None
    if all(name in names and vertices.dtype[name] == np.uint8 for name in ("red", "green", "blue")):
        colors = np.column_stack([vertices[name] for name in ("red", "green", "blue")])
    return _checked_mesh(xyz, faces, colors)


def _merge_nodes(glb: Glb) -> Mesh:
    """The meshes of all nodes in the scene's frame, as one."""
    parts: list[tuple[NDArray[np.float64], GlbMesh]] = []
    total = 0
    for node, world in zip(glb.document.get("nodes", []), glb.world_matrices(), strict=True):
        if "mesh" not in node:
            continue
        mesh = glb.mesh(node["mesh"])
        total += mesh.vertices.nbytes + mesh.faces.nbytes
        if total > MAX_MESH_BYTES:
            raise MeshError(f"its nodes show more than {MAX_MESH_BYTES} bytes of meshes")
        matrix = np.eye(4) if "skin" in node else world
        if np.linalg.det(matrix[:3, :3]) < 0:
            # A mirroring matrix turns the outside in.
            mesh = replace(mesh, faces=mesh.faces[:, ::-1])
        parts.append((mesh.vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3], mesh))
    if not parts:
        raise MeshError("no node shows a mesh")
    starts = np.cumsum([0, *(len(mesh.vertices) for _, mesh in parts)])
    colors = None
    if any(mesh.colors is not None for _, mesh in parts):
        white = [np.full((len(mesh.vertices), 3), 255, dtype=np.uint8) for _, mesh in parts]
        colors = np.concatenate(
            [w if mesh.colors is None else mesh.colors for w, (_, mesh) in zip(white, parts, strict=True)]
        )
    faces = [mesh.faces + start for start, (_, mesh) in zip(starts, parts, strict=False)]
    if any(len(mesh.faces) and mesh.faces.max() >= len(mesh.vertices) for _, mesh in parts):
        raise MeshError("faces use vertices that do not exist")
    return _checked_mesh(np.concatenate([moved for moved, _ in parts]), np.concatenate(faces), colors)


def _checked_mesh(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], colors: NDArray[np.uint8] | None
) -> Mesh:
    if not len(faces):
        raise MeshError("a mesh needs faces")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MeshError("faces use vertices that do not exist")
    if not np.isfinite(vertices).all():
        raise MeshError("vertices are not finite")
    return Mesh(vertices, faces, colors)


def _check_size(data: bytes) -> None:
    if len(data) > MAX_MESH_BYTES:
        raise MeshError(f"{len(data)} bytes; at most {MAX_MESH_BYTES} are supported")
