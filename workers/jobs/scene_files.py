"""One GLB and one splat for a whole scene, in the camera frame."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from workers.engines.objects.export import add_asset_node
from workers.engines.protocols import BodyEstimate, ObjectAsset
from workers.formats.gltf import GlbBuilder
from workers.formats.ply import write_splat_ply
from workers.formats.splat import Splat
from workers.geometry.meshes import vertex_normals

# glTF's camera axes (x right, y up, z backward) from OpenCV's
GL_FROM_CV = np.array([1.0, -1.0, -1.0])
NEUTRAL = 190


def scene_glb(
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


def scene_splat_ply(objects: Sequence[tuple[str, ObjectAsset]]) -> bytes:
    """All splats moved into the camera frame (OpenCV axes): centres, rotations and sizes together."""
    placed = [_placed(asset) for _, asset in objects]
    return write_splat_ply(
        Splat(
            means=np.concatenate([s.means for s in placed]),
            rotations=np.concatenate([s.rotations for s in placed]),
            scales=np.concatenate([s.scales for s in placed]),
            opacities=np.concatenate([s.opacities for s in placed]),
            colors=np.concatenate([s.colors for s in placed]),
        )
    )


def _placed(asset: ObjectAsset) -> Splat:
    splat, pose = asset.splat, asset.pose
    own = Rotation.from_quat(splat.rotations[:, [1, 2, 3, 0]].astype(np.float64))
    turned = (Rotation.from_matrix(pose.rotation_matrix()) * own).as_quat()[:, [3, 0, 1, 2]]
    return Splat(
        means=pose.apply(splat.means.astype(np.float64)).astype(np.float32),
        rotations=turned.astype(np.float32),
        scales=(splat.scales * pose.scale).astype(np.float32),
        opacities=splat.opacities,
        colors=splat.colors,
    )
