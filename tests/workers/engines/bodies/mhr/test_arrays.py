"""Our forward pass of MHR against that of `body-models`, on made-up assets: no file of MHR is read."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("body_models", reason="body-models evaluates MHR; it comes with the extra sam3d-body")

from body_models._common import kinematics, sparse
from body_models._common.skinning import CompactSkinning
from body_models.mhr import _io, _pose
from body_models.mhr import _model as model_of_body_models
from body_models.mhr.numpy import MHR

from workers.engines.bodies.mhr.arrays import compute_chain, convert_arrays
from workers.engines.bodies.mhr.derivatives import MhrPoints, MhrState

JOINTS, VERTICES = 127, 300


def make_assets() -> Any:
    """Random tables of MHR's shapes, but for the number of vertices."""
    rng = np.random.default_rng(0)
    parents = np.array([-1, 0, *(int(rng.integers(max(1, j - 6), j)) for j in range(2, JOINTS))])

    def scatter(rows: int, columns: int, share: float, size: float) -> Any:
        return np.where(rng.random((rows, columns)) < share, rng.normal(0, size, (rows, columns)), 0)

    transform = scatter(7 * JOINTS, 204 + 45, 0.02, 0.5)
    hidden = scatter(6 * (JOINTS - 2), 24 * (JOINTS - 2), 0.001, 1.0)
    output = scatter(24 * (JOINTS - 2), 3 * VERTICES, 0.001, 0.002)
    return _io.MhrAssets(
        base_vertices=rng.normal(0, 50, (VERTICES, 3)),
        blendshape_dirs=rng.normal(0, 1, (117, VERTICES, 3)),
        compact_skinning=CompactSkinning(
            rng.integers(0, JOINTS, (VERTICES, 5)).astype(np.int32), rng.dirichlet(np.ones(5), VERTICES)
        ),
        dense_skin_weights=np.zeros((VERTICES, JOINTS)),
        faces=np.zeros((2, 3), int),
        joint_offsets=rng.normal(0, 5, (JOINTS, 3)),
        joint_pre_rotations=Rotation.random(JOINTS, random_state=1).as_quat(),
        parameter_transform=transform,
        pose_control_joints=_io._pose_control_joints(transform, JOINTS),
        bind_inv_linear=Rotation.random(JOINTS, random_state=2).as_matrix(),
        bind_inv_translation=rng.normal(0, 5, (JOINTS, 3)),
        correctives=_io.MhrCorrectives(hidden, sparse.from_dense(output)),
        kinematic_tree=kinematics.KinematicTree.from_parents(parents),
        joint_names=[f"joint_{joint}" for joint in range(JOINTS)],
    )


def test_points_and_joints_are_those_of_body_models(monkeypatch: pytest.MonkeyPatch) -> None:
    assets, rng = make_assets(), np.random.default_rng(4)
    monkeypatch.setattr(model_of_body_models, "load_model_data", lambda *_, **__: assets)
    monkeypatch.setattr(model_of_body_models, "get_model_path", lambda path: path)
    model = MHR(model_path="made up")
    parameters, identity, expression = rng.normal(0, 0.4, 204), rng.normal(size=45), rng.normal(size=72)
    body, head, hand = _pose.unpack_pose(np, parameters[None])
    expected = model.forward_vertices(body, head, hand, shape=identity[None], expression=expression[None])
    arrays = convert_arrays(assets)
    points = MhrPoints(arrays, np.arange(VERTICES)).place(MhrState(parameters, identity, expression))
    np.testing.assert_allclose(points, np.asarray(expected)[0], atol=1e-9)
    joints = np.asarray(model.forward_skeleton(body, head, hand))[0, :, :3, 3]
    np.testing.assert_allclose(compute_chain(arrays, parameters).places / 100, joints, atol=1e-9)
