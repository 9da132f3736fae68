"""Writing meshes as GLB, PLY and STL; all keep the mesh's own frame and units."""

from typing import TYPE_CHECKING

import numpy as np

from workers.formats.glb_builder import GlbBuilder
from workers.formats.mesh_parts import split_by_material
from workers.formats.texture_colors import paint_vertices
from workers.geometry.meshes import Mesh, vertex_normals

if TYPE_CHECKING:
    import trimesh


def write_mesh_glb(mesh: Mesh) -> bytes:
    """GLB with vertex normals, linear vertex colours where the mesh has colours, and one node per texture."""
    builder = GlbBuilder()
    for number, part in enumerate(split_by_material(mesh)):
        name = f"mesh-{number}" if number else "mesh"
        index = builder.add_mesh(
            name,
            part.vertices,
            part.faces,
            normals=part.normals,
            colors=part.colors,
            uvs=part.uvs,
            texture=part.material,
        )
        builder.add_node(name, mesh=index)
    return builder.build()


def write_mesh_ply(mesh: Mesh) -> bytes:
    """Binary little-endian PLY with float32 vertices and, where the mesh has them, sRGB uint8 colours.

    Textures become colours of the vertices.
    """
    return bytes(
        _to_trimesh(paint_vertices(mesh)).export(file_type="ply", encoding="binary", vertex_normal=True)
    )


def write_mesh_stl(mesh: Mesh) -> bytes:
    """Binary STL: float32 triangles alone. STL states neither a unit nor an axis that is up."""
    return bytes(_to_trimesh(mesh).export(file_type="stl"))


def _to_trimesh(mesh: Mesh) -> "trimesh.Trimesh":
    # a conversion of splats need not wait for it
    import trimesh

    colors = None
    if mesh.colors is not None:
        colors = np.column_stack([mesh.colors, np.full(len(mesh.colors), 255, dtype=np.uint8)])
    return trimesh.Trimesh(
        vertices=mesh.vertices,
        faces=mesh.faces,
        vertex_normals=vertex_normals(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals,
        vertex_colors=colors,
        process=False,
    )
