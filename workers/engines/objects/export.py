"""Object assets as files: GLB, USDZ and splat PLY in the object frame, and nodes of scenes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import ObjectAsset
from workers.formats.decimation import decimate
from workers.formats.glb_builder import GlbBuilder
from workers.formats.html_viewer.writers import write_splat_html
from workers.formats.images import encode_jpeg, encode_png
from workers.formats.splat_ply import write_splat_ply
from workers.formats.texture import SIDE as TEXTURE_SIDE
from workers.formats.texture import BakedTexture, bake_texture
from workers.formats.usdz import write_mesh_usdz
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing, vertex_normals
from workers.geometry.poses import opengl_from_opencv

# Faces of a mesh with a baked texture: the texture carries the detail. Chosen, not measured.
TEXTURED_FACES = 10_000


def write_asset_glb(asset: ObjectAsset, name: str) -> bytes:
    """One mesh under one identity node, in the y-up object frame; longest side 1 unit.

    The node's extras carry the scale source and the metres (or camera units) one unit stands for.
    """
    builder = GlbBuilder()
    builder.add_node(name, mesh=_add_mesh(builder, asset, name), extras=_extras(asset))
    return builder.build()


@dataclass(frozen=True, slots=True, eq=False)
class BakedAsset:
    """Vertices and normals (W, 3) of an asset's mesh, cut along its seams, and the texture."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    texture: BakedTexture

    def to_mesh(self) -> Mesh:
        """The mesh with its texture as a material."""
        faces = self.texture.faces
        texturing = Texturing(
            self.texture.uvs, np.zeros(len(faces), dtype=np.int64), (_to_material(self.texture),)
        )
        return Mesh(self.vertices, faces, texturing=texturing, normals=self.normals)


def bake_asset(asset: ObjectAsset) -> BakedAsset:
    """A mesh of at most `TEXTURED_FACES` with a texture from the splat; several files share it."""
    mesh = decimate(asset.mesh, TEXTURED_FACES)
    texture = bake_texture(mesh, asset.splat, TEXTURE_SIDE)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    return BakedAsset(mesh.vertices[texture.source], normals[texture.source], texture)


def write_asset_textured_glb(asset: ObjectAsset, name: str, baked: BakedAsset) -> bytes:
    """As `write_asset_glb`, with the baked mesh and texture instead of vertex colours."""
    texture = baked.texture
    builder = GlbBuilder()
    index = builder.add_mesh(
        name,
        baked.vertices,
        texture.faces,
        normals=baked.normals,
        uvs=texture.uvs,
        texture=_to_material(texture),
    )
    builder.add_node(name, mesh=index, extras=_extras(asset))
    return builder.build()


def write_asset_usdz(asset: ObjectAsset, baked: BakedAsset) -> bytes:
    """The baked mesh and texture as USDZ; raises UsdMissing without the extra `usd`.

    A unit of the stage is the metres of an object unit where the scale is metric, else one metre.
    """
    return write_mesh_usdz(baked.to_mesh(), metres_per_unit=_get_metres_per_unit(asset) or 1.0)


def _to_material(texture: BakedTexture) -> TextureMaterial:
    return TextureMaterial(image=encode_png(texture.pixels), media_type="image/png", wrap=("clamp", "clamp"))


def write_asset_splat_ply(asset: ObjectAsset) -> bytes:
    """The splat in the 3DGS layout, in the same object frame as `write_asset_glb`."""
    return write_splat_ply(asset.splat)


def write_asset_html(asset: ObjectAsset, name: str) -> bytes:
    """A page that shows the splat, with lengths in metres where the scale is metric."""
    return write_splat_html(asset.splat, title=name, metres_per_unit=_get_metres_per_unit(asset))


def add_asset_node(builder: GlbBuilder, name: str, asset: ObjectAsset) -> int:
    """Add one object to a scene in glTF's camera axes; returns the index of its node."""
    pose = opengl_from_opencv(asset.pose)
    return builder.add_node(
        name,
        mesh=_add_mesh(builder, asset, name),
        translation=pose.translation,
        rotation_wxyz=pose.rotation,
        scale=pose.scale,
        extras=_extras(asset),
    )


def _add_mesh(builder: GlbBuilder, asset: ObjectAsset, name: str) -> int:
    mesh, photo = asset.mesh, asset.photo
    normals = vertex_normals(mesh.vertices, mesh.faces)
    if photo is None:
        return builder.add_mesh(name, mesh.vertices, mesh.faces, normals=normals, colors=mesh.colors)
    # glTF multiplies textures by the colours of vertices, so these are left out
    material = TextureMaterial(
        image=encode_jpeg(photo.pixels), media_type="image/jpeg", wrap=("clamp", "clamp")
    )
    return builder.add_mesh(name, mesh.vertices, mesh.faces, normals=normals, uvs=photo.uvs, texture=material)


def _get_metres_per_unit(asset: ObjectAsset) -> float | None:
    return asset.pose.scale if asset.scale_source == "metric" else None


def _extras(asset: ObjectAsset) -> dict[str, Any]:
    return {
        "scale_source": asset.scale_source,
        "unit": "metre" if asset.scale_source == "metric" else "relative",
        "units_per_side": asset.pose.scale,
        "confidence": asset.confidence,
        "flags": list(asset.flags),
    }
