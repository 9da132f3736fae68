"""SMPL-X from our bodies, with a model file that is made up here: the real one is not ours to ship."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from tests.support.synthetic_bodies import make_body
from tests.support.synthetic_smplx import write_smplx
from workers.engines.bodies.rig import skin_rig
from workers.engines.bodies.smplx.derivatives import BodyPoints, BodyPose
from workers.engines.bodies.smplx.fitting import fit_smplx
from workers.engines.bodies.smplx.model import JOINTS, SmplxFileError, SmplxModel
from workers.engines.bodies.smplx.surface_map import SurfaceMap, SurfaceMapError
from workers.formats.annotated_arrays import AnnotatedArray, write_npz
from workers.jobs.bodies.body_record import describe_body, list_body_arrays
from workers.smplx_cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A body of another topology under SMPL-X's names."""
    return write_smplx(tmp_path_factory.mktemp("smplx") / "SMPLX_MADE_UP.npz")


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


def test_derivatives_are_what_small_steps_do(file: Path) -> None:
    model, rng = SmplxModel.load(file), np.random.default_rng(3)
    points = BodyPoints(model, np.arange(0, len(model.template), 500))
    rotations = Rotation.from_rotvec(0.4 * rng.normal(size=(22, 3))).as_matrix()
    pose = BodyPose(rng.normal(size=10), rotations, rng.normal(size=3))
    at, step = points.linearise(pose), 1e-6
    for column in (0, 4, 3 * 16 + 1, 3 * 21 + 2, 66, 68, 69, 75):
        moved = points.linearise(pose.move(step * np.eye(79)[column], points.parents))
        np.testing.assert_allclose(
            (moved.points - at.points) / step, at.by_points[:, :, column], atol=1e-4, err_msg=str(column)
        )
        np.testing.assert_allclose((moved.joints - at.joints) / step, at.by_joints[:, :, column], atol=1e-4)
    angles = Rotation.from_matrix(rotations).as_rotvec()
    np.testing.assert_allclose(at.joints, model.pose(pose.betas, angles, pose.translation)[1], atol=1e-9)


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Any]]:
    """A track of four frames, the second without a body, and the bodies; two frames decide the shape."""
    monkeypatch.setattr("workers.engines.bodies.smplx.fitting.SHAPE_FRAMES", 2)
    built = make_body()
    arms = [built.rig.joint_names.index(name) for name in ("upperarm01_L", "upperleg01_R")]
    rotations, bodies = np.tile(built.rig.rotations, (4, 1, 1)), []
    roots = built.rig.root_translation + np.outer(np.arange(4), [0.1, 0, 0.05])
    for frame in range(4):
        turn = Rotation.from_rotvec([0, 0, 0.15 * frame])
        for joint in arms:
            own = Rotation.from_quat(rotations[frame, joint], scalar_first=True)
            rotations[frame, joint] = (own * turn).as_quat(scalar_first=True)
        bodies.append(replace(built.rig, rotations=rotations[frame], root_translation=roots[frame]))
    rotations[1], roots[1] = np.nan, np.nan
    columns = list_body_arrays(built, vertices=False)
    columns |= {
        "joint_rotations": AnnotatedArray(rotations, "local rotations"),
        "root_translation": AnnotatedArray(roots, "root"),
        "frames": AnnotatedArray(np.arange(7, 11), "frames"),
        "seconds": AnnotatedArray(np.arange(4) / 30, "seconds"),
        "state": AnnotatedArray(np.array([1, 0, 1, 1]), "state"),
    }
    path = tmp_path / "track-001.npz"
    path.write_bytes(write_npz(describe_body(built, "test"), columns))
    return path, bodies


def convert(*words: Any) -> Any:
    return CliRunner().invoke(app, ["convert", *map(str, words)])


def test_a_track_keeps_one_shape(file: Path, track: tuple[Path, list[Any]], tmp_path: Path) -> None:
    path, bodies = track
    out = tmp_path / "smplx.npz"
    result = convert(path, "--model", file, "--out", out)
    assert result.exit_code == 0, result.output
    with np.load(out) as data:
        fields = dict(data)
    assert fields["betas"].shape == (10,) and fields["body_pose"].shape == (4, 21, 3)
    assert fields["frames"].tolist() == [7, 8, 9, 10]
    assert [np.isnan(fields[name][1]).all() for name in ("global_orient", "body_pose", "transl")] == [
        True
    ] * 3
    model = SmplxModel.load(file)
    for frame in (0, 2, 3):
        pose = np.vstack([fields["global_orient"][frame], fields["body_pose"][frame]])
        vertices, _ = model.pose(fields["betas"], pose, fields["transl"][frame])
        gaps = np.linalg.norm(vertices - skin_rig(bodies[frame])[::3], axis=1)
        assert fields["surface_error_m"][frame] < 0.012 and gaps.mean() < 0.03


def test_the_map_of_mhr_gives_the_places_of_all_vertices(
    file: Path, track: tuple[Path, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bodies = track
    out, mapping = tmp_path / "smplx.npz", tmp_path / "mhr2smplx_mapping.npz"
    rig = bodies[0]
    corners = np.arange(0, len(rig.rest_vertices), 3)
    # a face that begins at each vertex, whose whole weight lies there
    order = {int(corner): row for row, corner in reversed(list(enumerate(rig.faces.ravel())))}
    places = np.array([order[int(corner)] for corner in corners])
    np.savez(mapping, triangle_ids=places // 3, baryc_coords=np.eye(3)[places % 3])
    refused = convert(path, "--model", file, "--map", mapping, "--out", out)
    assert refused.exit_code == 1 and "lod 1" in refused.output
    monkeypatch.setattr("workers.smplx_cli.MHR_VERTICES", len(rig.rest_vertices))
    result = convert(path, "--model", file, "--map", mapping, "--out", out)
    assert result.exit_code == 0, result.output
    with np.load(out) as data:
        assert np.nanmax(data["surface_error_m"]) < 0.006
    np.savez(mapping, triangle_ids=places[1:] // 3, baryc_coords=np.eye(3)[places[1:] % 3])
    refused = convert(path, "--model", file, "--map", mapping, "--out", out)
    assert refused.exit_code == 1 and "mhr2smplx_mapping.npz for SMPL-X" in refused.output


BROKEN = {
    "empty": b"",
    "text": b"vertices",
    "half a ZIP": b"PK\x03\x04" + bytes(40),
}


@pytest.mark.parametrize("kind", [*BROKEN, "an array"])
@pytest.mark.parametrize("place", ["body", "model", "map"])
def test_a_broken_file_is_named_and_nothing_is_written(
    kind: str, place: str, file: Path, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken.npz", tmp_path / "out.npz"
    if kind in BROKEN:
        broken.write_bytes(BROKEN[kind])
    else:
        with broken.open("wb") as stream:
            np.save(stream, np.zeros(3))
    # the body is read last, so that any file stands for it where another one is broken
    good = {"body": file, "model": file, "map": None} | {place: broken}
    options = [] if good["map"] is None else ["--map", good["map"]]
    result = convert(good["body"], "--model", good["model"], "--out", out, *options)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "broken.npz" in result.output.replace("\n", "") and not out.exists()


@pytest.mark.parametrize(
    ("faces", "weights"), [([], np.zeros((0, 3))), ([-1], [[1, 0, 0]]), ([0], [[np.nan, 0, 0]])]
)
def test_a_map_that_names_no_places_is_refused(tmp_path: Path, faces: Any, weights: Any) -> None:
    np.savez(tmp_path / "map.npz", triangle_ids=np.array(faces, np.int64), baryc_coords=weights)
    with pytest.raises(SurfaceMapError):
        SurfaceMap.load(tmp_path / "map.npz")


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
