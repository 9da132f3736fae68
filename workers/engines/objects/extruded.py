"""Extrusions: a flat cap of any outline, swept straight back along its own axis, that explains a mask.

The axis is upright, or level in a direction that a straight edge of the outline has. For each pitch of the
camera and each axis the longest sweep is taken whose cap, put back, still covers the mask.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects import regular
from workers.engines.objects.frames import Frame, frame_of, straight_edges, yaws
from workers.engines.objects.single_view.coarse_mask import Window
from workers.engines.objects.single_view.outline import Lattice
from workers.engines.objects.single_view.triangulation import triangulate
from workers.engines.objects.swept import Field, Sweeper

Array = NDArray[np.float64]
PITCHES = (8, 12, 16, 20, 25, 30, 36, 43, 50)
COARSER = 2
SAME_YAW = 5.0
MOST_YAWS = 4
FLATTEST_YAW = 82.0
LOST, DEEP = 0.012, 0.6
LEAST_SWEEP = 4.0
HALVINGS = 5
FINER = 4
ROW = 2.5


@dataclass(frozen=True, slots=True)
class Extruded:
    """A cap seen at `pitch`, its unit `axis` (3,) towards the camera and `up` (3,), moved back by `samples`.

    `cap` (h, w) is the signed distance to its edge in the picture; `yaw` is None where the axis is upright.
    """

    reaper: Sweeper
    cap: Field
    axis: Array
    up: Array
    pitch: float
    yaw: float | None
    samples: float
    iou: float

    def cap_share(self) -> float:
        """The cap's share of the mask's area."""
        return float((self.cap > 0).sum() / max(int((self.reaper.distance > 0).sum()), 1))

    def shape(self) -> regular.Plan | None:
        """What the cap looks like in its own plane; None where nothing of it is left."""
        outline = self._outline()
        if outline is None:
            return None
        return regular.plan_of(*(self._lifted(pixels) for pixels in outline))

    def _outline(self) -> tuple[Array, Array] | None:
        """Corners (N, 2) of a polygon about the cap, and all points (M, 2) of its outline, in samples."""
        fine = cv2.resize(self.cap, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
        found, _ = cv2.findContours((fine > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not found:
            return None
        outline = max(found, key=cv2.contourArea)
        if len(outline) < 12 or cv2.contourArea(outline) < 4 * FINER**2:
            return None
        corners = cv2.approxPolyDP(outline, 0.75 * FINER, True)
        return tuple((part[:, 0] + 0.5) / FINER for part in (corners, outline))

    def _lifted(self, pixels: Array) -> Array:
        """Pixels (N, 2) of the cap's plane as coordinates (N, 2) in it."""
        points = self._on_cap(pixels)
        across = self.up if self.yaw is not None else np.cross(self.axis, self.reaper.view)
        across = across / np.linalg.norm(across)
        return np.stack([points @ np.cross(across, self.axis), points @ across], axis=1)

    def _on_cap(self, pixels: Array) -> Array:
        """The points (N, 3) of the cap, in the camera frame, that are seen at pixels (N, 2)."""
        rays = self.reaper.camera.unproject(pixels, np.ones(len(pixels)))
        middle = float(self.reaper.view @ self.axis) / float(self.reaper.view[2])
        return np.asarray(rays * (middle / (rays @ self.axis))[:, None])

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed mesh: vertices (V, 3) in the camera frame and faces (F, 3), counter-clockwise outside."""
        field = self.cap.astype(np.float64) + 0.5
        field[[0, -1]] = field[:, [0, -1]] = 0
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (field > 0.5).astype(np.uint8), connectivity=4
        )
        if count > 2:
            largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            field = np.where((labels > 0) & (labels != largest), 0.0, field)
        sheet = triangulate(Lattice(field, (0.5, 0.5), 1.0))
        front = self._on_cap(sheet.points)
        middle = float(self.reaper.view @ self.axis) / float(self.reaper.view[2])
        depth = self.reaper.shift(self.axis, self.samples) * abs(middle)
        rim = np.arange(sheet.inner, len(front))
        rows = max(1, round(self.samples / ROW))
        layers = [front[rim] - self.axis * depth * k / rows for k in range(1, rows)]
        back = front - self.axis * depth
        vertices = np.concatenate([front, *layers, back])
        last = len(front) + (rows - 1) * len(rim)
        walls = []
        a, b = sheet.rim_edges.T
        for k in range(rows):
            # rim points are the last of the front's, and of the back's
            near = 0 if k == 0 else len(front) + (k - 1) * len(rim) - sheet.inner
            far = last if k == rows - 1 else len(front) + k * len(rim) - sheet.inner
            walls += [np.stack([near + a, near + b, far + b], 1), np.stack([near + a, far + b, far + a], 1)]
        # clockwise as seen is counter-clockwise from outside with y down and z forward
        faces = np.concatenate([sheet.triangles[:, ::-1], sheet.triangles + last, *walls])
        return vertices, faces.astype(np.int64)

    def axes(self) -> Array:
        """The canonical frame's x, y (up) and z (to the camera) as rows."""
        if self.yaw is not None:
            return np.stack([np.cross(self.up, self.axis), self.up, self.axis])
        ahead = -self.reaper.view - (-self.reaper.view @ self.up) * self.up
        ahead = ahead / np.linalg.norm(ahead)
        return np.stack([np.cross(self.up, ahead), self.up, ahead])


def candidates(window: Window) -> Iterator[Extruded]:
    """Every extrusion that explains a mask, one for each pitch and axis."""
    frame = frame_of(window)
    normals, lengths = straight_edges(window)
    reaper = Sweeper.of(window, frame.view, COARSER)
    for pitch in PITCHES:
        up = frame.upright(pitch)
        axes: list[tuple[float | None, Array]] = [(None, up)]
        for yaw in _likely_yaws(frame, normals, lengths, pitch):
            axes.append((yaw, frame.level(pitch, yaw)))
        for yaw_or_none, axis in axes:
            samples = _longest(reaper, axis)
            if samples < LEAST_SWEEP:
                continue
            cap = reaper.cap(axis, samples)
            iou = reaper.iou(reaper.covered(cap, axis, samples))
            yield Extruded(reaper, cap, axis, up, pitch, yaw_or_none, samples, iou)


def _likely_yaws(frame: Frame, normals: Array, lengths: Array, pitch: float) -> list[float]:
    """The yaws of level edges and of what is square to them, where most of the outline's length is first."""
    found, upright = yaws(frame, normals, pitch)
    found, weights = found[~upright], lengths[~upright]
    out: list[float] = []
    free = np.ones(len(found), dtype=np.bool_)
    off = (found[:, None] - found[None] + 45) % 90 - 45
    near = np.abs(off) < SAME_YAW
    while free.any() and len(out) < MOST_YAWS:
        votes = (near & free[None]) @ weights * free
        best = int(votes.argmax())
        members = near[best] & free
        free &= ~near[best]
        middle = found[best] - float(np.average(off[best, members], weights=weights[members]))
        for yaw in (middle, middle + 90):
            turned = (yaw + 90) % 180 - 90
            if abs(turned) < FLATTEST_YAW:
                out.append(turned)
    return out


def _longest(reaper: Sweeper, axis: Array) -> float:
    """The longest sweep in samples that still explains the mask; 0 where even a short one fails."""
    if not reaper.sees(axis) or not _explains(reaper, axis, LEAST_SWEEP):
        return 0.0
    low, high = LEAST_SWEEP, 0.9 * max(reaper.distance.shape)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _explains(reaper, axis, middle):
            low = middle
        else:
            high = middle
    return low


def _explains(reaper: Sweeper, axis: Array, samples: float) -> bool:
    share, deep = reaper.lost(axis, samples)
    return share <= LOST and deep <= DEEP
