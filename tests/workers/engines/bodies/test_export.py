"""Rigged GLB: valid, and its own data skins to the posed body."""

import json

import numpy as np
import pytest

from tests.support.gltf_validator import assert_valid
from workers.engines.bodies.export import to_gltf, write_body_glb, write_body_obj
from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.rig import Skinner, pose_rig, skin_rig
from workers.engines.bodies.rotations import exp_map
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate
from workers.formats.glb_reader import read_glb
from workers.geometry.cameras import Camera


@pytest.fixture(scope="module")
def estimate() -> BodyEstimate:
    kinematics = Kinematics(load_skeleton())
    rng = np.random.default_rng(0)
    rotations = exp_map(0.3 * rng.normal(size=(len(kinematics.skeleton.joints), 3)))
    rotations[0] = np.diag([1.0, -1.0, -1.0]) @ rotations[0]
    rig = Skinner(kinematics).rig(
        BodyState(rotations, np.array([0.3, -0.1, 3.0]), np.array([0.5, 1.0, 0.4, -0.5]))
    )
    _, joints = pose_rig(rig)
    return BodyEstimate(
        rig=rig,
        vertices=skin_rig(rig),
        joints=joints,
        keypoint_names=kinematics.skeleton.model.landmark_names,
        keypoints_2d=np.zeros((33, 2)),
        keypoints_3d=np.zeros((33, 3)),
        keypoint_visibility=np.ones(33),
        parameters={},
        camera=Camera.assumed(640, 480),
        box=(0.0, 0.0, 640.0, 480.0),
        scale_source="prior",
        confidence=0.9,
        reprojection_error=1.0,
        flags=("default_engine",),
    )


def test_glb_skins_to_the_posed_body(estimate: BodyEstimate) -> None:
    glb = read_glb(write_body_glb(estimate, "person"))
    skin = glb.document["skins"][0]
    mesh = glb.mesh(0)
    assert mesh.joints is not None
    assert mesh.weights is not None
    binds = glb.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
    world = np.stack([glb.world_matrix(node) for node in skin["joints"]])
    matrices = (world @ binds)[mesh.joints]
    points = np.concatenate([mesh.vertices.astype(np.float64), np.ones((len(mesh.vertices), 1))], axis=1)
    posed = np.einsum("vk,vkab,vb->va", mesh.weights.astype(np.float64), matrices, points)[:, :3]
    assert np.abs(posed - to_gltf(estimate.vertices)).max() < 1e-5
    assert np.abs(world[:, :3, 3] - to_gltf(estimate.joints)).max() < 1e-5
    # In front of a glTF viewer that looks along -z.
    assert posed[:, 2].max() < 0


def test_glb_has_a_clean_skeleton(estimate: BodyEstimate) -> None:
    document = read_glb(write_body_glb(estimate)).document
    nodes, joints = document["nodes"], document["skins"][0]["joints"]
    names = [nodes[j]["name"] for j in joints]
    assert names == list(estimate.rig.joint_names)
    assert all(name.replace("_", "").isalnum() for name in names)
    children = {child: j for j, node in enumerate(nodes) for child in node.get("children", ())}
    for j, parent in enumerate(estimate.rig.parents):
        if parent >= 0:
            assert children[joints[j]] == joints[parent]
    assert nodes[0]["extras"]["scale_source"] == "prior"
    json.dumps(document)


def test_glb_is_the_same_every_time(estimate: BodyEstimate) -> None:
    assert write_body_glb(estimate) == write_body_glb(estimate)


def test_glb_passes_the_validator(estimate: BodyEstimate) -> None:
    assert_valid(write_body_glb(estimate))


def test_obj_holds_the_posed_mesh(estimate: BodyEstimate) -> None:
    lines = write_body_obj(estimate).decode().splitlines()
    vertices = np.array([[float(v) for v in line.split()[1:]] for line in lines if line.startswith("v ")])
    faces = np.array([[int(v) for v in line.split()[1:]] for line in lines if line.startswith("f ")])
    assert np.abs(vertices - to_gltf(estimate.vertices)).max() < 1e-6
    assert (faces - 1 == estimate.rig.faces).all()
