"""The body estimates of one track, stacked over its frames."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackEstimates:
    """The body estimates of one track in N frames, in order of time; J joints, K keypoints.

    `rotations` (N, J, 4) local wxyz, `positions` (N, 3) of the root and `rest_joints` (N, J, 3) in metres;
    `keypoints_2d` (N, K, 2) pixels, `keypoints_3d` (N, K, 3) metres, `visibility` (N, K); `boxes` (N, 4)
    pixels; `confidence` and `errors` (N,), the latter in pixels; `gravity` (N, 3) is down in the camera
    frame, NaN where it was only assumed; `parameters` (N, ...) by name. `samples` (S,) are the rows whose
    rest vertices `sample_vertices` (S, V, 3) holds.
    """

    frames: NDArray[np.int64]
    rotations: Floats
    positions: Floats
    rest_joints: Floats
    keypoints_2d: Floats
    keypoints_3d: Floats
    visibility: Floats
    boxes: Floats
    confidence: Floats
    errors: Floats
    gravity: Floats
    parameters: Mapping[str, Floats]
    samples: NDArray[np.int64]
    sample_vertices: Floats
