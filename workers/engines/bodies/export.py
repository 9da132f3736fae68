"""Writes a body: a skinned GLB that opens in the estimated pose, OBJ and PLY of the posed mesh, BVH.

glTF is y up and right-handed with the viewer looking along -z, so a point of the camera frame (OpenCV: x
right, y down, z forward) becomes F p with F = diag(1, -1, -1), a half turn about x. The file's joint nodes
carry the local rotations of the rig; the root's also carries F. Rest orientations are the identity: the
inverse bind of joint j is the translation by -rest_joints[j], and the world of joint j in the file is (F G_j,
F t_j).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.engines.protocols import BodyEstimate, Rig
from workers.formats.bvh import write_bvh
from workers.formats.glb_builder import GlbBuilder
from workers.formats.mesh_writers import write_mesh_ply
from workers.geometry.meshes import Mesh, vertex_normals

Floats = NDArray[np.float64]
CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0])
# A neutral grey, sRGB: no one's skin.
NEUTRAL = np.array([196, 180, 168], dtype=np.uint8)
# The frame time that a BVH of one frame states, in seconds: the format requires one.
SINGLE_FRAME_SECONDS = 1 / 30


def to_gltf(points: Floats) -> Floats:
    """Camera-frame points (..., 3) in glTF axes."""
    return points @ CAMERA_TO_GLTF


def write_body_glb(estimate: BodyEstimate, name: str = "body") -> bytes:
    """A GLB of one skinned mesh, its skeleton, and the pose as node rotations; metres, y up.

    Two roots: `name`, which carries the numbers as extras and holds the joint tree, and the skinned mesh.
    """
    builder = GlbBuilder()
    add_rig(builder, name, estimate.rig, _extras(estimate), CAMERA_TO_GLTF)
    return builder.build()


def add_rig(
    builder: GlbBuilder, name: str, rig: Rig, extras: dict[str, Any], file_from_root: Floats
) -> list[int]:
    """Add a posed rig; returns the node of every joint.

    `file_from_root` (3, 3) maps the frame of the rig's root to the file's y-up frame. The skin's extras name
    the joints as Unity's humanoid and Mixamo do.
    """
    mesh = builder.add_mesh(
        name,
        rig.rest_vertices,
        rig.faces,
        normals=vertex_normals(rig.rest_vertices, rig.faces),
        colors=np.broadcast_to(NEUTRAL, rig.rest_vertices.shape),
        joints=rig.skin_joints,
        weights=rig.skin_weights,
        roughness=0.9,
    )
    top = builder.add_node(name, extras=extras)
    nodes: list[int] = []
    for j, parent in enumerate(rig.parents):
        rotation, offset = rig.rotations[j], None
        if parent < 0:
            rotation = quaternions(file_from_root @ from_quaternions(rotation))
            offset = file_from_root @ rig.root_translation
        else:
            offset = rig.rest_joints[j] - rig.rest_joints[parent]
        nodes.append(
            builder.add_node(
                rig.joint_names[j],
                parent=top if parent < 0 else nodes[parent],
                translation=offset,
                rotation_wxyz=rotation,
            )
        )
    binds = np.tile(np.eye(4), (len(nodes), 1, 1))
    binds[:, :3, 3] = -rig.rest_joints
    named = map_humanoid_joints(rig.joint_names)
    skin = builder.add_skin(
        f"{name}_skin", nodes, binds, skeleton=nodes[0], extras={"humanoid": named} if named else None
    )
    # The glTF validator wants skinned meshes at the root: their own transform is ignored.
    builder.add_node(f"{name}_mesh", mesh=mesh, skin=skin)
    return nodes


def write_body_obj(estimate: BodyEstimate, name: str = "body") -> bytes:
    """The posed mesh as OBJ text in glTF axes (y up), metres."""
    lines = [f"o {name}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in to_gltf(estimate.vertices)]
    lines += [f"f {a} {b} {c}" for a, b, c in estimate.rig.faces + 1]
    return ("\n".join(lines) + "\n").encode()


def write_body_ply(estimate: BodyEstimate) -> bytes:
    """The posed mesh as binary PLY with normals in glTF axes (y up), metres."""
    return write_mesh_ply(Mesh(to_gltf(estimate.vertices), estimate.rig.faces))


def write_body_bvh(estimate: BodyEstimate) -> bytes:
    """The skeleton and one frame of motion, the pose, in glTF axes (y up), metres."""
    rig = estimate.rig
    rotations = from_quaternions(rig.rotations)[None]
    rotations[:, 0] = CAMERA_TO_GLTF @ rotations[:, 0]
    place = to_gltf(rig.root_translation)[None]
    return write_bvh(rig.joint_names, rig.parents, rig.rest_joints, rotations, place, SINGLE_FRAME_SECONDS)


def _extras(estimate: BodyEstimate) -> dict[str, Any]:
    camera = estimate.camera
    return {
        "scale_source": estimate.scale_source,
        "confidence": round(estimate.confidence, 4),
        "flags": list(estimate.flags),
        "camera": {
            "width": camera.width,
            "height": camera.height,
            "fx": camera.fx,
            "fy": camera.fy,
            "cx": camera.cx,
            "cy": camera.cy,
            "source": camera.source,
        },
        "axes": "glTF = diag(1, -1, -1) * camera (OpenCV)",
    }
