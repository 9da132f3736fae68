"""OBJ and mesh PLY, written by trimesh; both keep the mesh's own frame and units."""

import numpy as np
import trimesh

from workers.geometry.meshes import Mesh, vertex_normals


def mesh_obj(mesh: Mesh) -> bytes:
    """Wavefront OBJ with vertex normals, and colours as `v x y z r g b` where the mesh has them."""
    text = _trimesh(mesh).export(file_type="obj", include_normals=True, include_texture=False, header=None)
    return str(text).encode()


def mesh_ply(mesh: Mesh) -> bytes:
    """Binary little-endian PLY with float32 vertices and, where the mesh has them, sRGB uint8 colours."""
    return bytes(_trimesh(mesh).export(file_type="ply", encoding="binary", vertex_normal=True))


def _trimesh(mesh: Mesh) -> trimesh.Trimesh:
    colors = None
    if mesh.colors is not None:
        colors = np.column_stack([mesh.colors, np.full(len(mesh.colors), 255, dtype=np.uint8)])
    return trimesh.Trimesh(
        vertices=mesh.vertices,
        faces=mesh.faces,
        vertex_normals=vertex_normals(mesh.vertices, mesh.faces),
        vertex_colors=colors,
        process=False,
    )
