"""Errors of a dataset's clips against the rendered ground truth: identities, boxes, rotations, cameras."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from bench.concepts.tracking_scores import SAME, score
from scripts.drawn_scenes.clips import RenderedClip
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.geometry.overlap import mask_iou
from workers.geometry.poses import matrix_from_quaternion

Array = NDArray[np.float64]
# solids whose rotations can be distinguished, up to the names of their axes
TURNABLE = ("box", "wedge")
GRID = np.stack(np.meshgrid(*[(np.arange(20) + 0.5) / 20 - 0.5] * 3), axis=-1).reshape(-1, 3)
TURNS = np.array(
    [
        matrix
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
        if np.linalg.det(matrix := np.eye(3)[list(order)] * np.array(signs)[:, None]) > 0
    ]
)


@dataclass(frozen=True, slots=True)
class Solid:
    """An oriented box in camera axes: centre (3,), rotation (3, 3), full edge lengths (3,)."""

    center: Array
    turn: Array
    size: Array

    @property
    def diagonal(self) -> float:
        """Metres."""
        return float(np.linalg.norm(self.size))

    def scaled(self, factor: float) -> "Solid":
        """As a camera would see it if everything were larger."""
        return Solid(self.center * factor, self.turn, self.size * factor)


@dataclass(slots=True)
class GroundTruthScores:
    """Scores of some clips; lists have one entry per box of an observation that matches a rendered object.

    Errors of centres are in metres and in diagonals of the true box; those with `aligned` are after one
    factor per clip, which brings the median depth of the boxes to the truth. `turns`: degrees, of boxes and
    wedges whose rotation was estimated. `camera_turns` and `camera_paths`: of clips whose camera was solved,
    see `camera_errors`. `idf1`: of all rendered objects in each clip, `idf1_balls`: of its balls.
    """

    observations: int = 0
    matched: int = 0
    idf1: list[float] = field(default_factory=list)
    idf1_balls: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    cameras: Counter[str] = field(default_factory=Counter)
    whole: list[bool] = field(default_factory=list)
    center_metres: list[float] = field(default_factory=list)
    center_diagonals: list[float] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    aligned_center_diagonals: list[float] = field(default_factory=list)
    aligned_ious: list[float] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    turnable: int = 0
    camera_turns: list[float] = field(default_factory=list)
    camera_paths: list[float] = field(default_factory=list)

    def add(self, clip: SceneClip, rendered: RenderedClip) -> None:
        """Score the kept tracks of one clip of the dataset."""
        masks = [clip.masks(frame) for frame in range(len(clip))]
        numbers = [row.source_frame for row in clip.frames]
        truth = replace(rendered, ids=rendered.ids[numbers])
        self.idf1.append(score(truth, masks).idf1)
        balls = [number for number in range(1, len(rendered.labels) + 1) if rendered.label(number) == "ball"]
        if balls:
            # the other things are background: a track on them is wrong
            order = np.zeros(len(rendered.labels) + 1, np.int32)
            order[balls] = np.arange(1, len(balls) + 1)
            only = replace(truth, ids=order[truth.ids], labels=("ball",) * len(balls))
            self.idf1_balls.append(score(only, masks).idf1)
        self.cameras[clip.row.camera_source] += 1
        if clip.row.camera_source == "colmap":
            turn, path = camera_errors(clip, rendered, numbers)
            self.camera_turns.append(turn)
            self.camera_paths.append(path)
        pairs = []
        for row in clip.observations:
            self.observations += 1
            number = find_match(truth.ids[row.frame], clip.mask(row))
            if number is None:
                continue
            self.matched += 1
            self.sources[row.box3d_source or "none"] += 1
            estimated, exact = read_box(row), true_solid(rendered, numbers[row.frame], number)
            if estimated is not None:
                pairs.append((row, rendered.label(number), estimated, exact))
        self._measure(pairs)

    def _measure(self, pairs: list[tuple[ObservationRow, str, Solid, Solid]]) -> None:
        if not pairs:
            return
        factor = float(np.median([exact.center[2] / estimated.center[2] for _, _, estimated, exact in pairs]))
        self.factors.append(factor)
        for row, label, estimated, exact in pairs:
            self.whole.append("truncated" not in row.flags and "occluded" not in row.flags)
            for aligned, metres, diagonals, ious in (
                (estimated, self.center_metres, self.center_diagonals, self.ious),
                (estimated.scaled(factor), None, self.aligned_center_diagonals, self.aligned_ious),
            ):
                off = float(np.linalg.norm(aligned.center - exact.center))
                if metres is not None:
                    metres.append(off)
                diagonals.append(off / exact.diagonal)
                ious.append(solid_iou(aligned, exact))
            if label in TURNABLE:
                self.turnable += 1
                if "rotation_unknown" not in row.flags:
                    self.turns.append(turn_between(estimated.turn, exact.turn))


def camera_errors(clip: SceneClip, rendered: RenderedClip, numbers: list[int]) -> tuple[float, float]:
    """Median degrees, and median distance from the true path over its extent, from the first solved frame."""
    poses = {frame: clip.world_from_cam(frame) for frame in range(len(clip))}
    placed = {frame: pose for frame, pose in poses.items() if pose is not None}
    first = min(placed)
    estimated = np.array([np.linalg.inv(placed[first]) @ pose for pose in placed.values()])
    origin = np.linalg.inv(rendered.world_from_cam[numbers[first]])
    exact = np.array([origin @ rendered.world_from_cam[numbers[frame]] for frame in placed])
    traces = np.trace(estimated[:, :3, :3].transpose(0, 2, 1) @ exact[:, :3, :3], axis1=1, axis2=2)
    turns = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    a, b = estimated[:, :3, 3], exact[:, :3, 3]
    beside = np.linalg.norm(a * float((a * b).sum() / (a * a).sum()) - b, axis=1)
    return float(np.median(turns)), float(np.median(beside) / np.linalg.norm(np.ptp(b, axis=0)))


def find_match(ids: NDArray[np.int32], mask: NDArray[np.bool_]) -> int | None:
    """The rendered object that a mask fits best, if its IoU is SAME or more."""
    fits = {int(n): mask_iou(ids == n, mask) for n in np.unique(ids[mask]) if n}
    best = max(fits, key=lambda n: fits[n], default=None)
    return best if best is not None and fits[best] >= SAME else None


def read_box(row: ObservationRow) -> Solid | None:
    """The box of an observation."""
    if row.center_cam is None or row.rotation_cam is None or row.size is None:
        return None
    return Solid(np.array(row.center_cam), matrix_from_quaternion(row.rotation_cam), np.array(row.size))


def true_solid(rendered: RenderedClip, frame: int, number: int) -> Solid:
    """The rendered box in camera axes."""
    pose = np.linalg.inv(rendered.world_from_cam[frame]) @ rendered.world_from_object[frame, number - 1]
    return Solid(pose[:3, 3], pose[:3, :3], rendered.sizes[number - 1])


def solid_iou(a: Solid, b: Solid) -> float:
    """Intersection over union of two boxes by 8,000 points, good to about 0.01."""
    points = GRID * a.size @ a.turn.T + a.center
    inside = np.all(np.abs((points - b.center) @ b.turn) <= b.size / 2, axis=1).mean()
    shared = float(inside * np.prod(a.size))
    return shared / float(np.prod(a.size) + np.prod(b.size) - shared)


def turn_between(a: Array, b: Array) -> float:
    """Degrees between two rotations of a box, up to the names of its axes."""
    traces = np.trace(a.T @ b @ TURNS, axis1=-2, axis2=-1)
    return float(np.degrees(np.arccos(np.clip((traces.max() - 1) / 2, -1, 1))))
