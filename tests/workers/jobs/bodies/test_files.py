"""Files of a body and of a motion: what is read back is what was written."""

import io
import json
from pathlib import Path

import av
import bvhio
import numpy as np
import pytest
import trimesh

from tests.support.gltf_validator import assert_valid
from tests.support.synthetic_bodies import Walk, make_body, make_walk
from workers.engines.bodies.export import to_gltf, write_body_bvh, write_body_glb, write_body_ply
from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.keypoint_sets import COCO_17, KeypointSet, to_coco17, to_openpose25
from workers.engines.bodies.rig import skin_rig
from workers.engines.bodies.rotations import exp_map, from_quaternions, quaternions
from workers.engines.protocols import Rig
from workers.formats.annotated_arrays import AnnotatedArray, write_json, write_npz
from workers.formats.bvh import write_bvh, zxy_angles
from workers.formats.glb_reader import Glb, read_glb
from workers.formats.images import shrink_image
from workers.formats.video_writer import VideoWriter
from workers.jobs.bodies.body_record import MESH_ARRAYS, describe_body, list_body_arrays
from workers.jobs.bodies.motion import BodyMotion, build_motion
from workers.jobs.bodies.motion_export import FILE_FROM_MOTION, write_motion_bvh, write_motion_glb
from workers.jobs.bodies.motion_record import describe_motion, list_motion_arrays


@pytest.fixture(scope="module")
def walk() -> Walk:
    return make_walk(14, 12, noise=0.05, missing=(5, 6))


@pytest.fixture(scope="module")
def motion(walk: Walk) -> BodyMotion:
    return build_motion(walk.rig, walk.estimates, walk.seconds)


def joints_read(path: Path, frame: int, names: tuple[str, ...]) -> np.ndarray:
    root = bvhio.readAsHierarchy(str(path))
    root.loadPose(frame)
    positions = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()}
    return np.stack([positions[name] for name in names])


def test_bvh_of_a_body_is_read_by_others(tmp_path: Path) -> None:
    estimate = make_body()
    path = tmp_path / "body.bvh"
    path.write_bytes(write_body_bvh(estimate))
    joints = joints_read(path, 0, estimate.rig.joint_names)
    assert np.abs(joints - to_gltf(estimate.joints)).max() < 1e-3


def test_bvh_of_a_motion_is_read_by_others(motion: BodyMotion, tmp_path: Path) -> None:
    path = tmp_path / "motion.bvh"
    path.write_bytes(write_motion_bvh(motion, motion.spans[0], FILE_FROM_MOTION["-y"]))
    text = path.read_text()
    assert "Frames: 14" in text and f"Frame Time: {1 / 12:.8f}" in text
    assert text.count("CHANNELS 3 Zrotation Xrotation Yrotation") == len(motion.rig.parents) - 1
    for frame in (0, 5, 13):
        joints = joints_read(path, frame, motion.rig.joint_names)
        assert np.abs(joints - to_gltf(motion.joints()[frame])).max() < 1e-3


def test_bvh_angles_are_exact_and_never_jump() -> None:
    turns = np.linspace(0, 4 * np.pi, 200)
    spin = exp_map(np.stack([0.3 * turns, turns, 0 * turns], axis=1))
    for rotations in (spin, exp_map(np.array([[np.pi / 2, 0.0, 0.0], [np.pi / 2, 0.0, 0.0]]))):
        z, x, y = zxy_angles(rotations).T
        back = (
            exp_map(np.stack([0 * z, 0 * z, z], axis=1))
            @ exp_map(np.stack([x, 0 * x, 0 * x], axis=1))
            @ exp_map(np.stack([0 * y, y, 0 * y], axis=1))
        )
        assert np.abs(back - rotations).max() < 1e-9
    steady = exp_map(np.stack([0 * turns, turns, 0 * turns], axis=1))
    assert np.abs(np.diff(zxy_angles(steady), axis=0)).max() < 0.1


def test_bvh_puts_uneven_frames_on_an_even_rate(walk: Walk, tmp_path: Path) -> None:
    uneven = walk.seconds + 0.02 * (np.arange(14) % 2)
    motion = build_motion(walk.rig, walk.estimates, uneven, smoothing=False)
    data = write_motion_bvh(motion, motion.spans[0], FILE_FROM_MOTION["-y"])
    (tmp_path / "u.bvh").write_bytes(data)
    step = float(next(line for line in data.decode().splitlines() if "Frame Time" in line).split()[-1])
    frame = 4
    time = uneven[0] + frame * step
    after = int(np.searchsorted(uneven, time))
    low, high = motion.joints()[after - 1], motion.joints()[after]
    share = (time - uneven[after - 1]) / (uneven[after] - uneven[after - 1])
    expected = to_gltf(low + share * (high - low))
    assert np.abs(joints_read(tmp_path / "u.bvh", frame, walk.rig.joint_names) - expected).max() < 0.02


def test_bvh_refuses_a_forest() -> None:
    two = np.array([-1, -1])
    with pytest.raises(ValueError, match="one root"):
        write_bvh(("a", "b"), two, np.zeros((2, 3)), np.tile(np.eye(3), (1, 2, 1, 1)), np.zeros((1, 3)), 0.1)


def test_ply_holds_the_posed_mesh() -> None:
    estimate = make_body()
    mesh = trimesh.load(io.BytesIO(write_body_ply(estimate)), file_type="ply", process=False)
    assert np.abs(mesh.vertices - to_gltf(estimate.vertices)).max() < 1e-5
    assert (mesh.faces == estimate.rig.faces).all()


def pose_by_file(glb: Glb, animation: int, key: int) -> np.ndarray:
    """Skin the file's mesh with its own animation at a key."""
    document = glb.document
    clip = document["animations"][animation]
    for channel in clip["channels"]:
        values = glb.accessor(clip["samplers"][channel["sampler"]]["output"])
        node = document["nodes"][channel["target"]["node"]]
        node[channel["target"]["path"]] = values[key].astype(float).tolist()
    skin = document["skins"][0]
    mesh = glb.mesh(0)
    assert mesh.joints is not None and mesh.weights is not None
    binds = glb.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
    world = np.stack([glb.world_matrix(node) for node in skin["joints"]])
    matrices = (world @ binds)[mesh.joints]
    points = np.concatenate([mesh.vertices.astype(np.float64), np.ones((len(mesh.vertices), 1))], axis=1)
    return np.einsum("vk,vkab,vb->va", mesh.weights.astype(np.float64), matrices, points)[:, :3]


@pytest.mark.parametrize("up", ["-y", "y", "z"])
def test_an_animated_glb_skins_to_the_smoothed_vertices(motion: BodyMotion, up: str) -> None:
    data = write_motion_glb(motion, "track-001", {}, FILE_FROM_MOTION[up])
    for frame in (0, 5, 13):
        posed = pose_by_file(read_glb(data), 0, frame)
        assert np.abs(posed - motion.vertices(frame) @ FILE_FROM_MOTION[up].T).max() < 1e-5


def test_the_frames_that_files_may_have() -> None:
    for up, axis in (("-y", [0, -1, 0]), ("y", [0, 1, 0]), ("z", [0, 0, 1])):
        np.testing.assert_array_equal(FILE_FROM_MOTION[up] @ axis, [0, 1, 0])
        assert np.linalg.det(FILE_FROM_MOTION[up]) == pytest.approx(1.0)


def test_an_animated_glb_passes_the_validator(motion: BodyMotion) -> None:
    assert_valid(
        write_motion_glb(
            motion,
            "track-001",
            describe_motion(motion, "e", make_body().camera, "prior", "camera"),
            FILE_FROM_MOTION["-y"],
        )
    )


def test_open_gaps_become_clips_of_their_own() -> None:
    walk = make_walk(30, 30, missing=tuple(range(8, 28)))
    motion = build_motion(walk.rig, walk.estimates, walk.seconds, max_gap=0.1)
    data = write_motion_glb(motion, "track-004", {}, FILE_FROM_MOTION["-y"])
    glb = read_glb(data)
    clips = glb.document["animations"]
    assert [clip["name"] for clip in clips] == ["track-004-0", "track-004-1"]
    times = [glb.accessor(clip["samplers"][0]["input"]) for clip in clips]
    np.testing.assert_allclose(times[0], np.arange(8) / 30, atol=1e-6)
    np.testing.assert_allclose(times[1], [28 / 30, 29 / 30], atol=1e-6)
    assert np.abs(pose_by_file(glb, 1, 1) - to_gltf(motion.vertices(29))).max() < 1e-5
    assert_valid(data)


def test_neighbouring_keys_take_the_short_way(motion: BodyMotion) -> None:
    glb = read_glb(write_motion_glb(motion, "t", {}, FILE_FROM_MOTION["-y"]))
    clip = glb.document["animations"][0]
    turns = [c for c in clip["channels"] if c["target"]["path"] == "rotation"]
    assert len(turns) == len(motion.rig.parents)
    for channel in turns:
        keys = glb.accessor(clip["samplers"][channel["sampler"]]["output"])
        assert ((keys[1:] * keys[:-1]).sum(axis=1) > 0).all()


def test_joints_that_never_turn_have_no_keys(walk: Walk) -> None:
    still = build_motion(walk.rig, walk.estimates, walk.seconds, smoothing=False)
    still.rotations[:, 50:] = still.rotations[0, 50:]
    clip = read_glb(write_motion_glb(still, "t", {}, FILE_FROM_MOTION["-y"])).document["animations"][0]
    assert sum(c["target"]["path"] == "rotation" for c in clip["channels"]) == 50


def test_joints_have_the_names_of_unity_and_mixamo() -> None:
    names = map_humanoid_joints(make_body().rig.joint_names)
    assert names["root"] == {"unity": "Hips", "mixamo": "Hips"}
    assert names["upperarm01_L"] == {"unity": "LeftUpperArm", "mixamo": "LeftArm"}
    assert names["finger5_3_R"] == {"unity": "RightLittleDistal", "mixamo": "RightHandPinky3"}
    every = [name["unity"] for name in names.values()]
    assert len(set(every)) == len(every) == 54
    # the bones that Unity's Humanoid cannot do without
    sides = [
        f"{s}{b}"
        for s in ("Left", "Right")
        for b in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
    ]
    assert {"Hips", "Spine", "Head", *sides} <= set(every)
    document = read_glb(write_body_glb(make_body())).document
    assert document["skins"][0]["extras"]["humanoid"] == names
    mhr = map_humanoid_joints(
        ("root", "c_spine0", "c_head", "l_uparm", "r_wrist", "l_index1", "c_jaw", "l_foot_twist")
    )
    assert mhr["l_uparm"]["unity"] == "LeftUpperArm" and mhr["l_index1"]["mixamo"] == "LeftHandIndex1"
    assert mhr["c_jaw"] == {"unity": "Jaw"} and "l_foot_twist" not in mhr
    assert map_humanoid_joints(("a", "b")) == {}


def name_points() -> KeypointSet:
    estimate = make_body()
    return KeypointSet(
        estimate.keypoint_names, estimate.keypoints_2d, estimate.keypoints_3d, estimate.keypoint_visibility
    )


def test_coco_and_openpose_views() -> None:
    points = name_points()
    at = points.names.index
    coco, openpose = to_coco17(points), to_openpose25(points)
    assert coco.names == COCO_17 and len(openpose.names) == 25
    assert coco.names[5:9] == ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")
    np.testing.assert_array_equal(coco.xy[9], points.xy[at("left_wrist")])
    np.testing.assert_array_equal(openpose.xyz[4], points.xyz[at("right_wrist")])
    hips = points.xy[[at("left_hip"), at("right_hip")]].mean(axis=0)
    np.testing.assert_allclose(openpose.xy[8], hips)
    assert openpose.names[8] == "MidHip" and openpose.names[19] == "LBigToe"
    np.testing.assert_array_equal(openpose.xy[19], points.xy[at("left_foot_index")])
    small = [openpose.names.index(name) for name in ("LSmallToe", "RSmallToe")]
    assert np.isnan(openpose.xy[small]).all() and not openpose.valid[small].any()
    # the neck is as visible as the less visible shoulder
    assert openpose.visibility[1] == min(points.visibility[[at("left_shoulder"), at("right_shoulder")]])
    assert points.valid.sum() == (points.visibility >= 0.5).sum()


def test_records_hold_all_values_with_units(tmp_path: Path) -> None:
    estimate = make_body()
    about, columns = describe_body(estimate, "default 1"), list_body_arrays(estimate, vertices=True)
    data = write_npz(about, columns)
    assert data == write_npz(about, columns)
    stored = np.load(io.BytesIO(data), allow_pickle=False)
    header = json.loads(str(stored["header"]))
    assert set(header["arrays"]) | {"header"} == set(stored.files)
    for name, record in header["arrays"].items():
        assert list(stored[name].shape) == record["shape"] and record["says"]
    assert header["arrays"]["vertices"]["unit"] == "m" and "camera" in header["arrays"]["joints"]["frame"]
    assert header["about"]["camera"]["fx"] == estimate.camera.fx
    assert header["about"]["humanoid"]["head"]["unity"] == "Head"
    rig = Rig(
        joint_names=tuple(stored["joint_names"]),
        parents=stored["parents"],
        rest_joints=stored["rest_joints"],
        rest_vertices=stored["rest_vertices"].astype(np.float64),
        faces=stored["faces"],
        skin_joints=stored["skin_joints"],
        skin_weights=stored["skin_weights"].astype(np.float64),
        rotations=stored["joint_rotations"],
        root_translation=stored["root_translation"],
    )
    assert np.abs(skin_rig(rig) - estimate.vertices).max() < 1e-5
    assert np.abs(stored["vertices"] - estimate.vertices).max() < 1e-5
    assert stored["parameter_fit_shape"].tolist() == [0.5, 1.0, -0.3, 0.2]
    assert "vertices" not in list_body_arrays(estimate, vertices=False)


def test_json_says_null_where_nothing_is_known() -> None:
    estimate = make_body()
    text = write_json(describe_body(estimate, "e"), list_body_arrays(estimate, vertices=False), MESH_ARRAYS)
    record = json.loads(text)
    values = record["values"]
    small = values["openpose25_names"].index("LSmallToe")
    assert values["openpose25_2d"][small] == [None, None]
    assert values["openpose25_3d"][small] == [None, None, None]
    assert values["openpose25_valid"][small] is False and values["openpose25_visibility"][small] is None
    assert values["keypoint_names"] == list(estimate.keypoint_names)
    assert values["keypoint_valid"][3] is False and values["keypoint_valid"][0] is True
    np.testing.assert_allclose(values["joints"], estimate.joints, atol=1e-6)
    assert not set(values) & MESH_ARRAYS and "rest_joints" in values
    assert json.loads(write_json({}, {"x": AnnotatedArray(np.array([np.nan, 1.0]), "s")}))["values"]["x"] == [
        None,
        1.0,
    ]


def test_a_track_record_marks_frames_without_a_body(walk: Walk, motion: BodyMotion) -> None:
    columns = list_motion_arrays(motion, walk.estimates, make_body().keypoint_names, None)
    assert columns["state"].values.tolist() == [1] * 5 + [2, 2] + [1] * 7
    assert np.isnan(columns["keypoints_2d"].values[5:7]).all()
    assert not columns["keypoint_valid"].values[5:7].any() and columns["keypoint_valid"].values[4].all()
    assert np.isnan(columns["joint_rotations_raw"].values[5]).all()
    assert np.isfinite(columns["joint_rotations"].values).all()
    raw = from_quaternions(columns["joint_rotations_raw"].values[0].astype(np.float64))
    np.testing.assert_allclose(quaternions(raw), walk.estimates.rotations[0], atol=1e-5)
    about = describe_motion(motion, "e", make_body().camera, "prior", "camera")
    record = json.loads(write_json(about, columns, MESH_ARRAYS))
    assert record["values"]["keypoints_2d"][5][0] == [None, None]
    assert record["about"]["spans"] == [[0, 13]] and record["about"]["space"] == "camera"


def test_a_video_keeps_the_times_of_its_frames(tmp_path: Path) -> None:
    times = [100, 140, 180, 300, 340]
    with VideoWriter(65, 48, (1, 1000)) as video:
        for k, time in enumerate(times):
            video.add(np.full((48, 65, 3), 40 * k, np.uint8), time)
        data = video.finish()
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        seconds = [float(frame.pts * frame.time_base) for frame in frames]
        assert container.streams.video[0].codec_context.name == "h264"
    np.testing.assert_allclose(seconds, [(time - 100) / 1000 for time in times], atol=1e-3)
    assert frames[0].width == 64
    assert [round(frame.to_ndarray(format="rgb24").mean() / 40) for frame in frames] == [0, 1, 2, 3, 4]
    assert shrink_image(np.zeros((200, 100, 3), np.uint8), 50).shape == (50, 25, 3)
