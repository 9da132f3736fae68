"""Reading the vertices, faces and vertex colours of a PLY of any encoding."""

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import to_color_bytes
from workers.formats.losses import Losses
from workers.formats.mesh_checks import MeshError, build_mesh, check_file_size, split_polygons
from workers.formats.ply_data import PlyTable, read_tables
from workers.formats.ply_header import PlyError, PlyHeader, parse_header
from workers.geometry.meshes import Mesh

FACE_LISTS = ("vertex_indices", "vertex_index")
COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))


def read_mesh_ply(data: bytes, losses: Losses | None = None) -> Mesh:
    """A PLY of polygons, which become fans of triangles, with sRGB colours where vertices have them.

    Edges, colours of faces and textures, which are in another file, are left out and counted. Raises
    MeshError for broken files, and when the counts do not match the file.
    """
    check_file_size(data)
    losses = Losses() if losses is None else losses
    try:
        header = parse_header(data)
        tables: dict[str, PlyTable] = {}
        for element, table in read_tables(data, header):
            tables[element.name] = table
            if {"vertex", "face"} <= tables.keys():
                vertices, faces = tables["vertex"], tables["face"]
                _count_left_out(header, faces, losses)
                return build_mesh(_stack(vertices, "xyz"), _read_faces(faces), _read_colors(vertices))
    except PlyError as error:
        raise MeshError(str(error)) from error
    raise MeshError("no faces beside the vertices")


def _count_left_out(header: PlyHeader, faces: PlyTable, losses: Losses) -> None:
    losses["textures"] += header.textures
    losses["lines"] += sum(element.count for element in header.elements if element.name == "edge")
    if any(set(names) <= faces.columns.keys() for names in COLOR_NAMES):
        losses["face_colors"] += len(next(iter(faces.columns.values())))


def _stack(table: PlyTable, names: str) -> NDArray[np.float64]:
    if not set(names) <= table.columns.keys():
        raise MeshError("vertices need x, y and z")
    return np.column_stack([table.columns[name].astype(np.float64) for name in names])


def _read_faces(table: PlyTable) -> NDArray[np.int64]:
    corners = next((table.lists[name] for name in FACE_LISTS if name in table.lists), None)
    if corners is None:
        raise MeshError(f"faces need a list 'vertex_indices', not {', '.join(table.lists) or 'none'}")
    if corners.values.dtype.kind == "f" and len(corners.values):
        raise MeshError("the vertices of faces must be integers")
    if (corners.counts < 3).any():
        raise MeshError("a face needs three vertices")
    return split_polygons(corners.counts, corners.values.astype(np.int64))


def _read_colors(table: PlyTable) -> NDArray[np.uint8] | None:
    for names in COLOR_NAMES:
        if set(names) <= table.columns.keys():
            return to_color_bytes(np.column_stack([table.columns[name] for name in names]))
    return None
