"""Actions between frames: the camera's own motion, what was recorded, and what a model infers."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from workers.datasets.errors import DatasetError
from workers.datasets.protocols import InverseDynamics
from workers.datasets.schema import ActionRow, CameraRow
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import Source
from workers.engines.protocols import Rgb

EGO = ("tx", "ty", "tz", "rx", "ry", "rz")


def build_actions(source: Source, plan: ClipPlan, cameras: Sequence[CameraRow]) -> list[ActionRow]:
    """Ego-motion where the camera's poses are known and it moves; recorded actions as they came.

    Ego-motion is cam_t from cam_t+1: the next camera's origin in this camera's axes (in units of the world)
    and the rotation vector in radians. Raises DatasetError `actions_mismatch`.
    """
    return _ego(plan, cameras) + _recorded(source, plan)


def infer_actions(model: InverseDynamics, plan: ClipPlan, frames: Iterable[Rgb]) -> list[ActionRow]:
    """What an inverse-dynamics model makes of the frames; raises DatasetError `actions_mismatch`."""
    ticks = np.array(plan.pts, np.float64) - plan.pts[0]
    seconds = plan.start + ticks * ((plan.end - plan.start) / ticks[-1] if ticks[-1] else 0.0)
    values = np.asarray(model.actions(frames, seconds.tolist()), np.float64)
    expected = len(plan.pts) - 1, len(model.names)
    if values.shape != expected or not np.isfinite(values).all():
        raise DatasetError(
            "actions_mismatch",
            f"{model.name} gave actions {values.shape}; finite ones of {expected} were expected",
        )
    return [
        ActionRow(clip=plan.id, frame=frame, kind="inferred", names=model.names, values=tuple(row))
        for frame, row in enumerate(values.tolist())
    ]


def _ego(plan: ClipPlan, cameras: Sequence[CameraRow]) -> list[ActionRow]:
    found = []
    for before, after in pairwise(cameras):
        if (
            before.source not in ("given", "colmap")
            or before.world_from_cam is None
            or after.world_from_cam is None
        ):
            continue
        here = np.array(before.world_from_cam).reshape(4, 4)
        there = np.array(after.world_from_cam).reshape(4, 4)
        step = np.linalg.inv(here) @ there
        turn = Rotation.from_matrix(step[:3, :3]).as_rotvec()
        values = tuple(float(value) for value in (*step[:3, 3], *turn))
        found.append(ActionRow(clip=plan.id, frame=before.frame, kind="ego_motion", names=EGO, values=values))
    return found


def _recorded(source: Source, plan: ClipPlan) -> list[ActionRow]:
    given = source.info.actions
    if given is None:
        return []
    frames = plan.frames
    if len(frames) > 1 and frames[-2] >= len(given):
        raise DatasetError(
            "actions_mismatch",
            f"source {source.sha256[:12]} has frame {frames[-2]}, but only {len(given)} actions",
        )
    names = tuple(source.info.action_names) or tuple(f"a{index}" for index in range(len(given[0])))
    return [
        ActionRow(clip=plan.id, frame=frame, kind="recorded", names=names, values=tuple(given[index]))
        for frame, index in enumerate(frames[:-1])
    ]
