"""Writing meshes as GLB, Wavefront OBJ and PLY; all keep the mesh's own frame and units."""

import numpy as np
import trimesh

from workers.formats.glb_builder import GlbBuilder
from workers.geometry.meshes import Mesh, vertex_normals


def write_mesh_glb(mesh: Mesh) -> bytes:
    """GLB of one node with vertex normals, and linear vertex colours where the mesh has colours."""
    builder = GlbBuilder()
    normals = vertex_normals(mesh.vertices, mesh.faces)
    index = builder.add_mesh("mesh", mesh.vertices, mesh.faces, normals=normals, colors=mesh.colors)
    builder.add_node("mesh", mesh=index)
    return builder.build()


def write_mesh_obj(mesh: Mesh) -> bytes:
    """Wavefront OBJ with vertex normals, and colours as `v x y z r g b` where the mesh has them."""
    text = _to_trimesh(mesh).export(file_type="obj", include_normals=True, include_texture=False, header=None)
    return str(text).encode()


def write_mesh_ply(mesh: Mesh) -> bytes:
    """Binary little-endian PLY with float32 vertices and, where the mesh has them, sRGB uint8 colours."""
    return bytes(_to_trimesh(mesh).export(file_type="ply", encoding="binary", vertex_normal=True))


def _to_trimesh(mesh: Mesh) -> trimesh.Trimesh:
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
