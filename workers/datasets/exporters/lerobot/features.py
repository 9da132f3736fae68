"""The numeric features of a LeRobot dataset: actions and states, with masks of the steps that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.datasets.exporters.shared.action_space import (
    SUBJECT,
    ActionKind,
    ActionSpace,
    fill_unknown,
    measure_subject,
)
from workers.datasets.scene_clip import SceneClip

ACTION, STATE = "action", "observation.state"
# LeRobot takes what begins with `action` or `observation` for an input or output of a policy
VALID_PREFIX = "valid."
CAMERA_NAMES = ("x", "y", "z", "rx", "ry", "rz")


@dataclass(frozen=True, slots=True)
class StepFeatures:
    """Which numeric features every episode has; `states` are the names of the values of the state."""

    actions: ActionSpace | None
    states: tuple[str, ...]

    @classmethod
    def choose(cls, clips: Sequence[SceneClip], wanted: ActionKind) -> "StepFeatures":
        """Those that any clip has."""
        actions = ActionSpace.choose(clips, wanted)
        if actions is not None and actions.kind == SUBJECT:
            return cls(actions, actions.names)
        has_cameras = any(row.world_from_cam is not None for clip in clips for row in clip.cameras)
        return cls(actions, CAMERA_NAMES if has_cameras else ())

    def describe(self) -> dict[str, Any]:
        """The features as `meta/info.json` lists them."""
        features: dict[str, Any] = {}
        if self.states:
            features[STATE] = _describe_vector(self.states)
            features[VALID_PREFIX + STATE] = _describe_scalar("bool")
        if self.actions is not None:
            features[ACTION] = _describe_vector(self.actions.names)
            features[VALID_PREFIX + ACTION] = _describe_scalar("bool")
        features["timestamp"] = _describe_scalar("float32")
        for name in ("frame_index", "episode_index", "index", "task_index"):
            features[name] = _describe_scalar("int64")
        return features

    def count_steps(self, clip: SceneClip) -> int:
        """Frames of the episode: those after the last known action would have none, and are left out.

        All frames of a clip without actions.
        """
        if self.actions is None:
            return len(clip)
        _, known = fill_unknown(self.actions.matrix(clip))
        return int(np.flatnonzero(known)[-1]) + 1 if known.any() else len(clip)

    def build(self, clip: SceneClip, steps: int) -> dict[str, NDArray[Any]]:
        """Values (T, A), 0 where unknown, and masks (T,) of the first `steps` frames of a clip."""
        known: dict[str, NDArray[np.float32]] = {}
        if self.states:
            known[STATE] = measure_camera(clip) if self.states == CAMERA_NAMES else measure_subject(clip)
        if self.actions is not None:
            known[ACTION] = self.actions.matrix(clip)
        columns: dict[str, NDArray[Any]] = {}
        for name, matrix in known.items():
            columns[name], columns[VALID_PREFIX + name] = fill_unknown(matrix[:steps])
        return columns


def has_actions(columns: Mapping[str, NDArray[Any]]) -> bool:
    """Whether any step of an episode has a known action, by its columns."""
    return bool(columns.get(VALID_PREFIX + ACTION, np.zeros(0, np.bool_)).any())


def measure_camera(clip: SceneClip) -> NDArray[np.float32]:
    """The camera in the axes of its first known pose, f32 (T, 6), NaN where unknown.

    Its origin in metres or units of the world, and its rotation vector in radians.
    """
    out = np.full((len(clip), len(CAMERA_NAMES)), np.nan, np.float32)
    poses = {frame: pose for frame in range(len(clip)) if (pose := clip.world_from_cam(frame)) is not None}
    for frame, pose in poses.items():
        relative = np.linalg.inv(poses[min(poses)]) @ pose
        out[frame] = [*relative[:3, 3], *Rotation.from_matrix(relative[:3, :3]).as_rotvec()]
    return out


def _describe_vector(names: Sequence[str]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def _describe_scalar(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [1], "names": None}
