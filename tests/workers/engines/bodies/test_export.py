"""Rigged GLB: valid, and its own data skins to the posed body."""

import json

import numpy as np
import pytest

from tests.support.gltf_validator import assert_valid
from tests.support.synthetic_bodies import make_body
from workers.engines.bodies.export import to_gltf, write_body_glb, write_body_obj
from workers.engines.protocols import BodyEstimate
from workers.formats.glb_reader import read_glb


@pytest.fixture(scope="module")
def estimate() -> BodyEstimate:
    return make_body()


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
