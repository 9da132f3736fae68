"""One GLB and one splat for a whole scene, in the camera frame."""

from collections.abc import Sequence

import numpy as np

from workers.engines.objects.export import add_asset_node
from workers.engines.protocols import BodyEstimate, ObjectAsset
from workers.formats.glb_builder import GlbBuilder
from workers.geometry.gaussians import Gaussians, concatenate, transform
from workers.geometry.meshes import vertex_normals
from workers.geometry.poses import opengl_from_opencv

# glTF's camera axes (x right, y up, z backward) from OpenCV's
GL_FROM_CV = np.array([1.0, -1.0, -1.0])
NEUTRAL = 190


def write_scene_glb(
    objects: Sequence[tuple[str, ObjectAsset]], bodies: Sequence[tuple[str, BodyEstimate]]
) -> bytes:
    """A node for each object and body; the camera is at the origin and looks down -z, y is up."""
    builder = GlbBuilder()
    for name, asset in objects:
        add_asset_node(builder, name, asset)
    for name, body in bodies:
        root = body.joints[0] * GL_FROM_CV
        vertices = body.vertices * GL_FROM_CV - root
        mesh = builder.add_mesh(
            name,
            vertices,
            body.rig.faces,
            normals=vertex_normals(vertices, body.rig.faces),
            colors=np.full((len(vertices), 3), NEUTRAL, np.uint8),
        )
        builder.add_node(name, mesh=mesh, translation=root, extras={"unit": "metre", "kind": "body"})
    return builder.build()


def merge_splats(objects: Sequence[tuple[str, ObjectAsset]]) -> Gaussians:
    """All splats of a scene in the axes of `write_scene_glb`: means, rotations and scales moved together."""
    return concatenate([transform(asset.splat, opengl_from_opencv(asset.pose)) for _, asset in objects])
