"""A body as files: a skinned GLB that opens in the found pose, and a plain OBJ.

glTF is y up and right-handed with the viewer looking along -z, so a point of the camera frame (OpenCV: x
right, y down, z forward) becomes F p with F = diag(1, -1, -1), a half turn about x. The file's joint nodes
carry the local rotations of the rig; the root's also carries F. Rest orientations are the identity: the
inverse bind of joint j is the translation by -rest_joints[j], and the world of joint j in the file is (F G_j,
F t_j).
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.engines.protocols import BodyEstimate
from workers.formats.gltf import GlbBuilder
from workers.geometry.meshes import vertex_normals

Floats = NDArray[np.float64]
CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0])
# A grey that stands for no one's skin.
NEUTRAL = np.array([196, 180, 168], dtype=np.uint8)


def to_gltf(points: Floats) -> Floats:
    """Camera-frame points (..., 3) in glTF axes."""
    return points @ CAMERA_TO_GLTF


def body_glb(estimate: BodyEstimate, name: str = "body") -> bytes:
    """A GLB of one skinned mesh, its skeleton, and the pose as node rotations; metres, y up.

    Two roots: `name`, which carries the numbers as extras and holds the joint tree, and the skinned mesh.
    """
    rig = estimate.rig
    builder = GlbBuilder()
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
    top = builder.add_node(name, extras=_extras(estimate))
    nodes: list[int] = []
    for j, parent in enumerate(rig.parents):
        rotation, offset = rig.rotations[j], None
        if parent < 0:
            turned = CAMERA_TO_GLTF @ from_quaternions(rotation)
            rotation, offset = quaternions(turned), to_gltf(rig.root_translation)
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
    skin = builder.add_skin(f"{name}_skin", nodes, binds, skeleton=nodes[0])
    # The validator asks for skinned meshes at the root: their own transform is ignored.
    builder.add_node(f"{name}_mesh", mesh=mesh, skin=skin)
    return builder.build()


def body_obj(estimate: BodyEstimate, name: str = "body") -> bytes:
    """The posed mesh as OBJ text in glTF axes, metres."""
    lines = [f"o {name}"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in to_gltf(estimate.vertices)]
    lines += [f"f {a} {b} {c}" for a, b, c in estimate.rig.faces + 1]
    return ("\n".join(lines) + "\n").encode()


def _extras(estimate: BodyEstimate) -> dict[str, object]:
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
