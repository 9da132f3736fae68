"""Writes actions between frames: the camera's own motion, recorded ones, and those that a model infers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.errors import DatasetError
from workers.datasets.images import decode_image
from workers.datasets.protocols import InverseDynamics
from workers.datasets.schema import ActionRow, CameraRow
from workers.datasets.source import Source
from workers.datasets.stages.base import ClipStage
from workers.engines.protocols import Rgb

EGO_MOTION = ("tx", "ty", "tz", "rx", "ry", "rz")
# sources of poses that describe how a camera moves
MOVING = ("given", "colmap")


class ActionStage(ClipStage):
    """Adds the rows of `actions`."""

    name = "actions"
    version = "2"
    reads_annotations = True

    def __init__(self, dynamics: InverseDynamics | None) -> None:
        self._dynamics = dynamics

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The inverse-dynamics model that is plugged in."""
        return {"dynamics": None if self._dynamics is None else self._dynamics.name}

    @property
    def weights(self) -> Mapping[str, str]:
        """The model's."""
        return {} if self._dynamics is None else self._dynamics.weights

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Ego-motion, recorded and inferred actions; raises DatasetError `actions_mismatch`."""
        plan = batch.task.plan
        rows = measure_ego_motion(plan, batch.rows["cameras"]) + read_recorded(batch.task.source, plan)
        if self._dynamics is not None:
            images = (decode_image(row.jpeg) for row in batch.tracked.frames)
            rows += infer_actions(self._dynamics, plan, images)
        return batch.with_rows(actions=rows)


def measure_ego_motion(plan: ClipPlan, cameras: Sequence[CameraRow]) -> list[ActionRow]:
    """How a moving camera with known poses goes from each frame to the next: cam_t from cam_t+1.

    Values are the next camera's origin in this camera's axes (in units of the world) and the rotation
    vector in radians.
    """
    rows = []
    for before, after in pairwise(cameras):
        if before.source not in MOVING or before.world_from_cam is None or after.world_from_cam is None:
            continue
        old = np.array(before.world_from_cam).reshape(4, 4)
        new = np.array(after.world_from_cam).reshape(4, 4)
        step = np.linalg.inv(old) @ new
        turn = Rotation.from_matrix(step[:3, :3]).as_rotvec()
        values = tuple(float(value) for value in (*step[:3, 3], *turn))
        rows.append(
            ActionRow(clip=plan.id, frame=before.frame, kind="ego_motion", names=EGO_MOTION, values=values)
        )
    return rows


def read_recorded(source: Source, plan: ClipPlan) -> list[ActionRow]:
    """The actions that came with the source; raises DatasetError `actions_mismatch` for too few."""
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


def infer_actions(model: InverseDynamics, plan: ClipPlan, frames: Iterable[Rgb]) -> list[ActionRow]:
    """What an inverse-dynamics model infers from the frames; raises DatasetError `actions_mismatch`."""
    ticks = np.array(plan.pts, np.float64) - plan.pts[0]
    seconds = plan.start + ticks * ((plan.end - plan.start) / ticks[-1] if ticks[-1] else 0.0)
    values = np.asarray(model.actions(frames, seconds.tolist()), np.float64)
    expected = len(plan.pts) - 1, len(model.names)
    if values.shape != expected or not np.isfinite(values).all():
        raise DatasetError(
            "actions_mismatch",
            f"{model.name} returned actions of shape {values.shape}; finite ones of {expected} were expected",
        )
    return [
        ActionRow(clip=plan.id, frame=frame, kind="inferred", names=model.names, values=tuple(row))
        for frame, row in enumerate(values.tolist())
    ]
