"""An engine's keypoints under the names of COCO and OpenPose; missing points are NaN, never zero.

COCO-17: Lin et al., "Microsoft COCO" (2014), keypoint order of the challenge. BODY_25: Cao et al., "OpenPose"
(2019); its neck is the midpoint of the shoulders and its mid-hip that of the hips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Visibility from which a keypoint is valid: below it is the model's guess. A convention, not measured.
MIN_VISIBILITY = 0.5

COCO_17 = (
    "nose",
    *(f"{side}_{part}" for part in ("eye", "ear") for side in ("left", "right")),
    *(
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
)
OPENPOSE_25 = (
    ("Nose", ("nose",)),
    ("Neck", ("left_shoulder", "right_shoulder")),
    *((f"R{part}", (f"right_{part.lower()}",)) for part in ("Shoulder", "Elbow", "Wrist")),
    *((f"L{part}", (f"left_{part.lower()}",)) for part in ("Shoulder", "Elbow", "Wrist")),
    ("MidHip", ("left_hip", "right_hip")),
    *((f"R{part}", (f"right_{part.lower()}",)) for part in ("Hip", "Knee", "Ankle")),
    *((f"L{part}", (f"left_{part.lower()}",)) for part in ("Hip", "Knee", "Ankle")),
    ("REye", ("right_eye",)),
    ("LEye", ("left_eye",)),
    ("REar", ("right_ear",)),
    ("LEar", ("left_ear",)),
    ("LBigToe", ("left_big_toe",)),
    ("LSmallToe", ("left_small_toe",)),
    ("LHeel", ("left_heel",)),
    ("RBigToe", ("right_big_toe",)),
    ("RSmallToe", ("right_small_toe",)),
    ("RHeel", ("right_heel",)),
)
# Other names of these points in engines: BlazePose's foot index is the big toe.
ALIASES = {
    f"{side}_{toe}": tuple(f"{side}_{other}" for other in others)
    for side in ("left", "right")
    for toe, others in (("big_toe", ("big_toe_tip", "foot_index")), ("small_toe", ("small_toe_tip",)))
}


@dataclass(frozen=True, slots=True, eq=False)
class KeypointSet:
    """K named points over any leading axes: `xy` (..., K, 2) pixels, `xyz` (..., K, 3) metres.

    `visibility` (..., K) in [0, 1]; unknown values are NaN.
    """

    names: tuple[str, ...]
    xy: Floats
    xyz: Floats
    visibility: Floats

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which points are known and visible (..., K)."""
        finite = np.isfinite(self.xy).all(axis=-1) & np.isfinite(self.xyz).all(axis=-1)
        with np.errstate(invalid="ignore"):
            return np.asarray(finite & (self.visibility >= MIN_VISIBILITY), dtype=np.bool_)


def to_coco17(points: KeypointSet) -> KeypointSet:
    """The 17 keypoints of COCO."""
    return _rename(points, [(name, (name,)) for name in COCO_17])


def to_openpose25(points: KeypointSet) -> KeypointSet:
    """The 25 keypoints of OpenPose's BODY_25, without its background."""
    return _rename(points, OPENPOSE_25)


def _rename(points: KeypointSet, wanted: Sequence[tuple[str, tuple[str, ...]]]) -> KeypointSet:
    """Each point is the mean of its sources, with the lowest of their visibilities."""
    lead = points.visibility.shape[:-1]
    xy = np.full((*lead, len(wanted), 2), np.nan)
    xyz = np.full((*lead, len(wanted), 3), np.nan)
    visibility = np.full((*lead, len(wanted)), np.nan)
    for k, (_, sources) in enumerate(wanted):
        columns = [_find(points.names, source) for source in sources]
        known = [column for column in columns if column is not None]
        if len(known) < len(columns):
            continue
        xy[..., k, :] = points.xy[..., known, :].mean(axis=-2)
        xyz[..., k, :] = points.xyz[..., known, :].mean(axis=-2)
        visibility[..., k] = points.visibility[..., known].min(axis=-1)
    return KeypointSet(tuple(name for name, _ in wanted), xy, xyz, visibility)


def _find(names: Sequence[str], name: str) -> int | None:
    for candidate in (name, *ALIASES.get(name, ())):
        if candidate in names:
            return names.index(candidate)
    return None
