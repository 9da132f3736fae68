"""Writes mhr_outputs.json from the four real outputs of SAM 3D Body that the sdist of `mhr` 1.0.1 carries.

    python -m tests.golden.make_mhr_outputs FOLDER-of-img_subj0?.npz

Only numbers are kept: parameters, and a few joints, rotations, keypoints and vertices of each person. The
focal length is not in the files: it is solved from keypoints and pixels by least squares, with the principal
point.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

JOINTS = (0, 1, 2, 34, 38, 39, 40, 42, 74, 75, 76, 78, 110, 113)
KEYPOINTS = (0, 5, 6, 7, 8, 9, 10, 13, 14, 21, 41, 62)
VERTICES = (0, 1000, 5000, 9000, 13000, 18438)


def intrinsics(points: np.ndarray, pixels: np.ndarray) -> list[float]:
    """(f, cx, cy) that project points (K, 3) onto pixels (K, 2)."""
    rows = np.zeros((len(points), 2, 3))
    rows[:, :, 0] = points[:, :2] / points[:, 2:]
    rows[:, 0, 1] = rows[:, 1, 2] = 1.0
    solved, *_ = np.linalg.lstsq(rows.reshape(-1, 3), pixels.reshape(-1), rcond=None)
    return [float(value) for value in solved]


def summarize(path: Path) -> dict[str, Any]:
    """The golden numbers of one file."""
    with np.load(path, allow_pickle=False) as data:
        one = {name: data[name].astype(np.float64) for name in data.files}
    points = one["pred_keypoints_3d"] + one["pred_cam_t"]

    def rounded(values: np.ndarray) -> Any:
        return np.vectorize(lambda value: float(f"{value:.9g}"))(values).tolist()

    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "focal_cx_cy": rounded(np.array(intrinsics(points, one["pred_keypoints_2d"]))),
        "cam_t": rounded(one["pred_cam_t"]),
        "model_parameters": rounded(one["mhr_model_params"]),
        "joints": {str(j): rounded(one["pred_joint_coords"][j]) for j in JOINTS},
        "rotations": {str(j): rounded(one["pred_global_rots"][j]) for j in JOINTS},
        "keypoints_3d": {str(k): rounded(one["pred_keypoints_3d"][k]) for k in KEYPOINTS},
        "keypoints_2d": {str(k): rounded(one["pred_keypoints_2d"][k]) for k in KEYPOINTS},
        "vertices": {str(v): rounded(one["pred_vertices"][v]) for v in VERTICES},
    }


def main() -> None:
    people = [summarize(path) for path in sorted(Path(sys.argv[1]).glob("img_subj0?.npz"))]
    target = Path(__file__).with_name("mhr_outputs.json")
    target.write_text(json.dumps({"licence": "Apache-2.0", "people": people}, indent=1) + "\n")


if __name__ == "__main__":
    main()
