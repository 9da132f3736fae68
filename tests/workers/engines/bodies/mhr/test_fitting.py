"""SMPL-X to MHR and back, by models of the same layouts that are made up here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from tests.support.synthetic_mhr_arrays import make_arrays
from tests.support.synthetic_smplx import list_faces, write_smplx
from workers.engines.bodies.mhr.arrays import MhrArrays, compute_chain
from workers.engines.bodies.mhr.derivatives import COLUMNS, MhrPoints, MhrState
from workers.engines.bodies.mhr.fitting import MhrFitter
from workers.engines.bodies.mhr.layout import SCALES
from workers.engines.bodies.smplx.fitting import PosedBody, SmplxFitter
from workers.engines.bodies.smplx.model import JOINTS, SmplxModel
from workers.engines.bodies.smplx.surface_map import SurfaceMap
from workers.smplx_cli import app

pytestmark = pytest.mark.slow
FRAMES = 3
ARM, KNEE = JOINTS.index("left_shoulder"), JOINTS.index("right_knee")


@pytest.fixture(scope="module")
def arrays() -> MhrArrays:
    return make_arrays()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_smplx(tmp_path_factory.mktemp("smplx") / "SMPLX_MADE_UP.npz")


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.engines.bodies.mhr.fitting.PERSON_FRAMES", 2)
    monkeypatch.setattr("workers.engines.bodies.mhr.fitting.PERSON_STEPS", 12)
    monkeypatch.setattr("workers.engines.bodies.smplx.fitting.SHAPE_FRAMES", 2)


def make_motion(betas: float = 0.0) -> dict[str, Any]:
    """A person in OpenCV's axes, so upside down for the model, who lifts an arm and bends a knee."""
    rng = np.random.default_rng(1)
    poses = np.tile(rng.normal(0, 0.2, (22, 3)), (FRAMES, 1, 1))
    poses[:, 0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_euler("y", 0.6)).as_rotvec()
    poses[:, ARM, 2] += 0.15 * np.arange(FRAMES)
    poses[:, KNEE, 0] += 0.1 * np.arange(FRAMES)
    return {
        "global_orient": poses[:, 0],
        "body_pose": poses[:, 1:],
        "transl": np.array([0.1, 1.0, 3.0]) + np.outer(np.arange(FRAMES), [0.05, 0, 0.02]),
        "betas": betas * rng.normal(size=10),
    }


def place(model: SmplxModel, motion: dict[str, Any], frame: int) -> Any:
    rotations = np.vstack([motion["global_orient"][frame], motion["body_pose"][frame]])
    return model.pose(motion["betas"], rotations, motion["transl"][frame])[0]


def make_map(vertices: int) -> SurfaceMap:
    """A vertex lies at the first corner of its own face."""
    return SurfaceMap(np.arange(vertices), np.tile([1.0, 0, 0], (vertices, 1)))


def test_derivatives_are_what_small_steps_do(arrays: MhrArrays) -> None:
    # the correctives are left out of the derivatives
    plain = replace(arrays, corrective_output=arrays.corrective_output * 0)
    points, rng = MhrPoints(plain, np.arange(0, len(arrays.base), 400)), np.random.default_rng(2)
    state = MhrState(rng.normal(0, 0.3, 204), rng.normal(size=45), rng.normal(size=72))
    at, slopes = points.linearise(state)
    np.testing.assert_allclose(at, points.place(state), atol=1e-12)
    step = 1e-6
    for column in [*range(7), 70, 135, 136, 137, 207, 208, 240, 276, 277, 282, COLUMNS - 1]:
        moved = points.place(state.move(step * np.eye(COLUMNS)[column]))
        np.testing.assert_allclose((moved - at) / step, slopes[:, :, column], atol=1e-5, err_msg=str(column))


def test_at_rest_it_is_its_template_and_correctives_act_in_a_pose(arrays: MhrArrays) -> None:
    everything = np.arange(len(arrays.base))
    points = MhrPoints(arrays, everything)
    np.testing.assert_allclose(points.place(MhrState.rest()), arrays.base / 100, atol=1e-12)
    plain = MhrPoints(replace(arrays, corrective_output=arrays.corrective_output * 0), everything)
    bent = MhrState.rest()
    bent.parameters[6:136] = 0.3
    gaps = np.linalg.norm(points.place(bent) - plain.place(bent), axis=1)
    assert 1e-5 < gaps.max() < 0.02
    # twice the size of the root's joint is twice the body
    grown = MhrState.rest()
    grown.parameters[SCALES.start] = 1
    root = compute_chain(arrays, grown.parameters).places[1] / 100
    rest = points.place(MhrState.rest())
    np.testing.assert_allclose(points.place(grown) - root, 2 * (rest - root), atol=1e-9)


def test_a_track_goes_to_mhr_with_one_identity_and_back(arrays: MhrArrays, file: Path) -> None:
    model, motion = SmplxModel.load(file), make_motion(betas=0.5)
    wanted = [place(model, motion, frame) for frame in range(FRAMES)]
    bodies = MhrFitter(arrays).fit_track(FRAMES, lambda frame: wanted[frame])
    shared = [body.state.read_shared() for body in bodies]
    for body, vertices, each in zip(bodies, wanted, shared, strict=True):
        assert body.surface_error < 0.005
        np.testing.assert_allclose(
            np.linalg.norm(body.vertices - vertices, axis=1).mean(), body.surface_error
        )
        np.testing.assert_array_equal(each, shared[0])
        assert not body.state.expression.any() or np.abs(body.state.expression).max() < 1e-6
    # and back, by the map of the other direction and MHR's own joints
    fitter = SmplxFitter(model, list(arrays.joint_names))
    to_smplx = make_map(len(arrays.base))

    def read(frame: int) -> PosedBody:
        joints = compute_chain(arrays, bodies[frame].state.parameters).places / 100
        return PosedBody(bodies[frame].vertices, joints, to_smplx.apply(bodies[frame].vertices, arrays.faces))

    again = fitter.fit_track(FRAMES, read)
    for frame, body in enumerate(again):
        gaps = np.linalg.norm(body.vertices - wanted[frame], axis=1)
        assert gaps.mean() < 0.008
        np.testing.assert_allclose(body.transl, motion["transl"][frame], atol=0.03)
        np.testing.assert_array_equal(body.betas, again[0].betas)


def test_a_pose_far_from_rest_is_met_from_the_front_and_from_behind(arrays: MhrArrays, file: Path) -> None:
    model, motion = SmplxModel.load(file), make_motion()
    motion["global_orient"][1] = [0, 3.0, 0]
    motion["body_pose"][1, ARM - 1] = [0, -1.0, 1.2]
    motion["body_pose"][1, KNEE - 1] = [1.9, 0, 0]
    bodies = MhrFitter(arrays).fit_track(2, lambda frame: place(model, motion, frame))
    assert max(body.surface_error for body in bodies) < 0.003


def test_a_face_is_fitted_where_it_was_asked_for(arrays: MhrArrays) -> None:
    true = MhrState.rest()
    true.expression[:3] = 0.5, -0.4, 0.3
    wanted = MhrPoints(arrays, np.arange(len(arrays.base))).place(true)
    [still] = MhrFitter(arrays).fit_track(1, lambda _: wanted)
    [moving] = MhrFitter(arrays, expressions=True).fit_track(1, lambda _: wanted)
    np.testing.assert_allclose(moving.state.expression[:3], true.expression[:3], atol=0.1)
    assert np.abs(still.state.expression).max() < 1e-6
    assert moving.surface_error < 0.5 * still.surface_error


def convert(*words: Any) -> Any:
    return CliRunner().invoke(app, ["to-mhr", *map(str, words)])


@pytest.fixture
def files(tmp_path: Path, arrays: MhrArrays, file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The files of a user; MHR's assets are those made up here."""
    monkeypatch.setattr("workers.smplx_to_mhr.load_arrays", lambda _folder: arrays)
    count = len(arrays.base)
    np.savez(
        tmp_path / "map.npz", triangle_ids=np.arange(count), baryc_coords=np.tile([1.0, 0, 0], (count, 1))
    )
    motion = make_motion()
    motion["transl"][1] = np.nan
    np.savez(tmp_path / "motion.npz", frames=np.arange(7, 7 + FRAMES), **motion)
    poses = np.concatenate([motion["global_orient"][:, None], motion["body_pose"]], axis=1)
    np.savez(
        tmp_path / "amass.npz",
        poses=poses.reshape(FRAMES, -1),
        trans=motion["transl"],
        betas=motion["betas"],
    )
    return {
        "model": file,
        **{path.stem: path for path in tmp_path.glob("*.npz")},
        "out": tmp_path / "out.npz",
    }


@pytest.mark.parametrize("name", ["motion", "amass"])
def test_the_command(files: dict[str, Path], arrays: MhrArrays, name: str) -> None:
    options = ["--model", files["model"], "--mhr", files["out"].parent, "--map", files["map"]]
    result = convert(files[name], *options, "--out", files["out"])
    assert result.exit_code == 0, result.output
    with np.load(files["out"]) as data:
        fields = dict(data)
    assert fields["mhr_model_params"].shape == (FRAMES, 204) and fields["shape_params"].shape == (45,)
    assert fields["expr_params"].shape == (FRAMES, 72)
    assert np.isnan(fields["mhr_model_params"][1]).all() and np.isnan(fields["surface_error_m"][1])
    assert ("frames" in fields) == (name == "motion")
    points, model = MhrPoints(arrays, np.arange(len(arrays.base))), SmplxModel.load(files["model"])
    for frame in (0, 2):
        state = MhrState(
            fields["mhr_model_params"][frame], fields["shape_params"], fields["expr_params"][frame]
        )
        gaps = np.linalg.norm(points.place(state) - place(model, make_motion(), frame), axis=1)
        assert gaps.mean() == pytest.approx(fields["surface_error_m"][frame]) and gaps.mean() < 0.003


def test_files_that_do_not_fit_are_named(files: dict[str, Path], tmp_path: Path) -> None:
    def refuse(*words: Any) -> str:
        result = convert(*words, "--mhr", tmp_path, "--out", files["out"])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
        assert not files["out"].exists()
        return str(result.output.replace("\n", " "))

    model, mapping = ["--model", files["model"]], ["--map", files["map"]]
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04" + bytes(40))
    assert "broken.npz" in refuse(tmp_path / "broken.npz", *model, *mapping)
    np.savez(tmp_path / "short.npz", triangle_ids=np.arange(9), baryc_coords=np.tile([1.0, 0, 0], (9, 1)))
    assert "smpl2mhr_mapping.npz" in refuse(files["motion"], *model, "--map", tmp_path / "short.npz")
    assert "has no face" in refuse(files["motion"], *model, *mapping, "--expressions")
    motion = make_motion()
    for name, changed, words in (
        ("no pose", {"body_pose": None}, "body_pose"),
        ("growing", {"betas": np.arange(10 * FRAMES).reshape(FRAMES, 10)}, "one person"),
        ("many", {"betas": np.zeros(300)}, "directions of shape"),
        ("nobody", {"transl": np.full((FRAMES, 3), np.nan)}, "no frame has a body"),
        ("hands", {"left_hand_pose": np.zeros((FRAMES, 6))}, "PCA"),
    ):
        fields = {key: value for key, value in (motion | changed).items() if value is not None}
        np.savez(tmp_path / "bad.npz", **fields)
        assert words in refuse(tmp_path / "bad.npz", *model, *mapping), name


def test_faces_begin_at_each_vertex() -> None:
    np.testing.assert_array_equal(list_faces(4), [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]])
