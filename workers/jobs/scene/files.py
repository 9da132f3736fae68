"""One GLB and one splat of a scene, in the camera frame."""

from collections.abc import Sequence

import numpy as np

from workers.engines.objects.export import add_asset_node
from workers.engines.protocols import BodyEstimate, ObjectAsset
from workers.formats.glb_builder import GlbBuilder
from workers.formats.glb_mesh_reader import read_mesh_glb
from workers.formats.html_viewer.writers import write_mesh_html
from workers.geometry.gaussians import Gaussians, concatenate, transform
from workers.geometry.meshes import vertex_normals
from workers.geometry.poses import opengl_from_opencv

# signs that turn OpenCV's camera axes into glTF's (x right, y up, z backward)
GLTF_FROM_OPENCV = np.array([1.0, -1.0, -1.0])
# grey of bodies, which have no colour
BODY_GREY = 190


def write_scene_glb(
    objects: Sequence[tuple[str, ObjectAsset]], bodies: Sequence[tuple[str, BodyEstimate]]
) -> bytes:
    """A node per named object and body; the camera is at the origin and looks along -z, y is up."""
    builder = GlbBuilder()
    for name, asset in objects:
        add_asset_node(builder, name, asset)
    for name, body in bodies:
        root = body.joints[0] * GLTF_FROM_OPENCV
        vertices = body.vertices * GLTF_FROM_OPENCV - root
        mesh = builder.add_mesh(
            name,
            vertices,
            body.rig.faces,
            normals=vertex_normals(vertices, body.rig.faces),
            colors=np.full((len(vertices), 3), BODY_GREY, np.uint8),
        )
        builder.add_node(name, mesh=mesh, translation=root, extras={"unit": "metre", "kind": "body"})
    return builder.build()


def write_scene_html(glb: bytes, *, is_metric: bool) -> bytes:
    """A page that shows the meshes of a scene's GLB: bodies, which have no splats, and objects."""
    return write_mesh_html(read_mesh_glb(glb), title="Scene", metres_per_unit=1.0 if is_metric else None)


def merge_splats(objects: Sequence[tuple[str, ObjectAsset]]) -> Gaussians:
    """The splats of named objects in the axes of `write_scene_glb`."""
    return concatenate([transform(asset.splat, opengl_from_opencv(asset.pose)) for _, asset in objects])
