"""FAKE tools.build_fov_estimator: returns the intrinsics that its checkpoint holds as JSON."""

import json
from pathlib import Path

import numpy as np


class FOVEstimator:
    def __init__(self, name: str = "moge2", device: str = "cuda", path: str = "") -> None:
        assert name == "moge2" and device == "cuda"
        self.intrinsics = json.loads(Path(path).read_text())

    def get_cam_intrinsics(self, img: np.ndarray) -> np.ndarray:
        assert img.dtype == np.uint8 and img.ndim == 3
        return np.array(self.intrinsics, dtype=np.float32)[None]
