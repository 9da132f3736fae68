"""A made-up body model in SMPL's format, and sequences of 3DPW and EMDB with it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.evaluation_sets import draw_image

Floats = NDArray[np.float64]
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
SIZE = (120, 160)
FRAMES = 3
K = np.array([[150.0, 0, 80], [0, 150.0, 60], [0, 0, 1]])


def write_smpl(folder: Path) -> None:
    """Three models with two vertices per joint, and a regressor that reads the vertices at the joints."""
    rng = np.random.default_rng(1)
    joints = rng.uniform(-0.5, 0.5, (24, 3))
    template = np.concatenate([joints, joints + rng.normal(0, 0.05, (24, 3))])
    regressor = np.hstack([np.eye(24), np.zeros((24, 24))])
    folder.mkdir(parents=True)
    for name in ("MALE", "FEMALE", "NEUTRAL"):
        np.savez(
            folder / f"SMPL_{name}.npz",
            v_template=template,
            shapedirs=rng.normal(0, 0.01, (48, 3, 10)),
            posedirs=np.zeros((48, 3, 207)),
            J_regressor=regressor,
            weights=np.tile(np.eye(24), (2, 1)),
            kintree_table=np.array([[2**32 - 1, *PARENTS[1:]], range(24)], np.uint32),
            f=np.zeros((1, 3), np.uint32),
        )
    np.save(folder / "J_regressor_h36m.npy", np.hstack([np.eye(17), np.zeros((17, 31))]))


def make_tracks(people: int) -> dict[str, Floats]:
    """Poses (P, F, 72), translations (P, F, 3), betas (P, 10) and camera poses (F, 4, 4)."""
    rng = np.random.default_rng(2)
    cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
    # the camera stands behind the world's origin and is turned upside down, as OpenCV's y points down
    cameras[:, :3, :3] = np.diag([1.0, -1.0, -1.0])
    cameras[:, :3, 3] = np.arange(FRAMES)[:, None] * [0.05, 0, 0] + [0, 0, 4.0]
    translations = np.zeros((people, FRAMES, 3))
    translations[:, :, 0] = np.arange(people)[:, None] * 0.6
    return {
        "poses": rng.normal(0, 0.2, (people, FRAMES, 72)),
        "trans": translations,
        "betas": rng.normal(0, 1, (people, 10)),
        "cameras": cameras,
    }


def draw_3dpw(folder: Path) -> None:
    """A sequence of two people; the second one's pose is not known in the last frame."""
    write_smpl(folder / "smpl")
    tracks = make_tracks(2)
    valid = np.ones((2, FRAMES))
    valid[1, -1] = 0
    data = {
        "sequence": "walk_00",
        "genders": ["m", "f"],
        "poses": list(tracks["poses"]),
        "trans": list(tracks["trans"]),
        "betas": list(tracks["betas"]),
        "campose_valid": list(valid),
        "cam_poses": tracks["cameras"],
        "cam_intrinsics": K,
        "img_frame_ids": np.arange(FRAMES),
    }
    write_pickle(folder / "sequenceFiles" / "test" / "walk_00.pkl", data)
    for index in range(FRAMES):
        draw_image(folder / "imageFiles" / "walk_00" / f"image_{index:05}.jpg", 100, SIZE)


def draw_emdb(folder: Path) -> None:
    """A sequence of EMDB 1 with one bad frame, and one that is not of EMDB 1."""
    write_smpl(folder / "smpl")
    tracks = make_tracks(1)
    for name, chosen in (("09_outdoor_walk", True), ("10_indoor_sit", False)):
        data = {
            "name": f"P0_{name}",
            "gender": "female",
            "emdb1": chosen,
            "emdb2": not chosen,
            "n_frames": FRAMES,
            "good_frames_mask": np.array([True, False, True]),
            "camera": {"intrinsics": K, "extrinsics": tracks["cameras"], "width": SIZE[1], "height": SIZE[0]},
            "smpl": {
                "poses_root": tracks["poses"][0, :, :3],
                "poses_body": tracks["poses"][0, :, 3:],
                "trans": tracks["trans"][0],
                "betas": tracks["betas"][0],
            },
            "bboxes": {"bboxes": np.zeros((FRAMES, 4)), "invalid_idxs": np.array([1])},
        }
        write_pickle(folder / "P0" / name / f"P0_{name}_data.pkl", data)
        for index in range(FRAMES):
            draw_image(folder / "P0" / name / "images" / f"{index:05}.jpg", 100, SIZE)


def write_pickle(path: Path, data: Any) -> None:
    """As Python 2 wrote them: protocol 2."""
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(data, protocol=2))
