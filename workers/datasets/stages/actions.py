"""Writes actions between frames: the camera's own motion, recorded ones, and those that a model infers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from workers.datasets.action_composition import (
    check_action_types,
    compose_actions,
    find_action_types,
    get_action_names,
)
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
# sources of poses that describe how a camera moves, or that it does not
KNOWN_MOTION = ("given", "colmap", "static")


class ActionStage(ClipStage):
    """Adds the rows of `actions`."""

    name = "actions"
    version = "3"
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
        """Ego-motion, recorded and inferred actions, and their kinds in the row of the clip.

        Raises DatasetError `actions_mismatch`, `action_types_unknown`.
        """
        plan = batch.task.plan
        rows = measure_ego_motion(plan, batch.rows["cameras"]) + read_recorded(batch.task.source, plan)
        if self._dynamics is not None:
            images = (decode_image(row.jpeg) for row in batch.tracked.frames)
            rows += infer_actions(self._dynamics, plan, images)
        kinds = tuple(sorted({row.kind for row in rows}))
        return batch.with_rows(actions=rows, clips=[replace(batch.clip_row, action_kinds=kinds)])


def measure_ego_motion(plan: ClipPlan, cameras: Sequence[CameraRow]) -> list[ActionRow]:
    """How a camera with known poses goes from each frame to the next: cam_t from cam_t+1.

    Values are the next camera's origin in this camera's axes (in units of the world) and the rotation
    vector in radians; exactly zero between equal poses.
    """
    rows = []
    for before, after in pairwise(cameras):
        if before.source not in KNOWN_MOTION or before.world_from_cam is None or after.world_from_cam is None:
            continue
        values = _measure_motion(before.world_from_cam, after.world_from_cam)
        rows.append(
            ActionRow(clip=plan.id, frame=before.frame, kind="ego_motion", names=EGO_MOTION, values=values)
        )
    return rows


def _measure_motion(before: Sequence[float], after: Sequence[float]) -> tuple[float, ...]:
    if before == after:
        # the product of a pose and its inverse is the identity only up to rounding
        return (0.0,) * len(EGO_MOTION)
    old, new = np.array(before).reshape(4, 4), np.array(after).reshape(4, 4)
    step = np.linalg.inv(old) @ new
    turn = Rotation.from_matrix(step[:3, :3]).as_rotvec()
    return tuple(float(value) for value in (*step[:3, 3], *turn))


def read_recorded(source: Source, plan: ClipPlan) -> list[ActionRow]:
    """The actions that came with the source, composed from each kept frame to the next.

    Raises DatasetError `actions_mismatch` for too few, `action_types_unknown` where they cannot be composed.
    """
    given = source.info.actions
    if given is None:
        return []
    frames = plan.frames
    if len(frames) > 1 and frames[-1] > len(given):
        raise DatasetError(
            "actions_mismatch",
            f"source {source.sha256[:12]} has frame {frames[-1] - 1}, but only {len(given)} actions",
        )
    names, types = get_action_names(source.info), find_action_types(source.info)
    if any(after - before > 1 for before, after in pairwise(frames)):
        check_action_types(source.info, source.sha256)
    stated = None if None in types else tuple(kind for kind in types if kind is not None)
    return [
        ActionRow(
            clip=plan.id,
            frame=frame,
            kind="recorded",
            names=names,
            values=compose_actions(given[before:after], types),
            types=stated,
            composed_steps=after - before,
        )
        for frame, (before, after) in enumerate(pairwise(frames))
    ]


def infer_actions(model: InverseDynamics, plan: ClipPlan, frames: Iterable[Rgb]) -> list[ActionRow]:
    """What an inverse-dynamics model infers from the frames; raises DatasetError `actions_mismatch`."""
    seconds = [plan.start + time for time in plan.times]
    values = np.asarray(model.actions(frames, seconds), np.float64)
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
