"""Object assets as files: GLB and splat PLY in the canonical frame, and scenes of posed objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import ObjectAsset
from workers.formats.decimation import decimate
from workers.formats.glb_builder import GlbBuilder
from workers.formats.images import encode_png
from workers.formats.splat_ply import write_splat_ply
from workers.formats.texture import BakedTexture, bake_texture
from workers.formats.usdz import write_usdz
from workers.geometry.meshes import vertex_normals
from workers.geometry.poses import opengl_from_opencv

TEXTURED_FACES = 10_000


def asset_glb(asset: ObjectAsset, name: str) -> bytes:
    """One mesh under one identity node, in the canonical y-up frame; longest side 1 unit.

    The node's extras carry the scale source and the metres (or camera units) one unit stands for.
    """
    builder = GlbBuilder()
    builder.add_node(name, mesh=_add_mesh(builder, asset, name), extras=_extras(asset))
    return builder.build()


@dataclass(frozen=True, slots=True, eq=False)
class Baked:
    """Vertices and normals (W, 3) of an asset's mesh, cut along its seams, and the texture."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    texture: BakedTexture


def baked(asset: ObjectAsset) -> Baked:
    """The mesh of at most 10,000 faces with a texture from the splat: the costly part of two formats."""
    mesh = decimate(asset.mesh, TEXTURED_FACES)
    made = bake_texture(mesh, asset.splat)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    return Baked(mesh.vertices[made.source], normals[made.source], made)


def asset_textured_glb(asset: ObjectAsset, name: str, made: Baked) -> bytes:
    """As `asset_glb`, with the baked mesh and texture instead of vertex colours."""
    texture = made.texture
    builder = GlbBuilder()
    index = builder.add_mesh(
        name,
        made.vertices,
        texture.faces,
        normals=made.normals,
        uvs=texture.uvs,
        texture_png=encode_png(texture.pixels),
    )
    builder.add_node(name, mesh=index, extras=_extras(asset))
    return builder.build()


def asset_usdz(asset: ObjectAsset, made: Baked) -> bytes:
    """The baked mesh and texture as USDZ; raises UsdMissing without the extra `usd`.

    A unit of the stage is the metres of a canonical unit where the scale is metric, else one metre.
    """
    texture = made.texture
    return write_usdz(
        made.vertices,
        texture.faces,
        made.normals,
        texture.uvs,
        texture.pixels,
        metres_per_unit=asset.pose.scale if asset.scale_source == "metric" else 1.0,
    )


def asset_splat_ply(asset: ObjectAsset) -> bytes:
    """The splat in the 3DGS layout, in the same canonical frame as `asset_glb`."""
    return write_splat_ply(asset.splat)


def scene_glb(objects: Sequence[tuple[str, ObjectAsset]]) -> bytes:
    """All objects in one scene: a node each, posed relative to the camera.

    The scene's axes are glTF's camera axes (x right, y up, the camera at the origin looking down -z).
    Raises ValueError when there is no object.
    """
    if not objects:
        raise ValueError("a scene needs at least one object")
    builder = GlbBuilder()
    for name, asset in objects:
        add_asset_node(builder, name, asset)
    return builder.build()


def add_asset_node(builder: GlbBuilder, name: str, asset: ObjectAsset) -> int:
    """Add one object to a scene in glTF's camera axes; gives its node."""
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
    mesh = asset.mesh
    normals = vertex_normals(mesh.vertices, mesh.faces)
    return builder.add_mesh(name, mesh.vertices, mesh.faces, normals=normals, colors=mesh.colors)


def _extras(asset: ObjectAsset) -> dict[str, Any]:
    return {
        "scale_source": asset.scale_source,
        "unit": "metre" if asset.scale_source == "metric" else "relative",
        "units_per_side": asset.pose.scale,
        "confidence": asset.confidence,
        "flags": list(asset.flags),
    }
