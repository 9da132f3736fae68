"""Upright frames: which way up and level directions of an object may point, seen from the camera.

A camera held level that looks down by some pitch sees every upright edge along the image's vertical. Any
other straight edge of the outline, taken as level, then has one direction in space: the one where the plane
through the edge and the camera meets the ground's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import Window

Array = NDArray[np.float64]
TOLERANCE = 1.5
LEAST_EDGE = 0.08
UPRIGHT_SINE = 0.12


@dataclass(frozen=True, slots=True)
class Frame:
    """Unit vectors (3,) in camera axes: the picture's `right` and `up`, and the `view` of a mask's middle."""

    right: Array
    up: Array
    view: Array

    def upright(self, pitch: float) -> Array:
        """The world's up for a camera that looks down by `pitch` degrees."""
        angle = np.radians(pitch)
        return np.asarray(np.cos(angle) * self.up - np.sin(angle) * self.view)

    def ahead(self, pitch: float) -> Array:
        """The level direction towards the camera."""
        angle = np.radians(pitch)
        return np.asarray(-np.sin(angle) * self.up - np.cos(angle) * self.view)

    def level(self, pitch: float, yaw: float) -> Array:
        """The level direction `yaw` degrees to the right of the one towards the camera."""
        angle = np.radians(yaw)
        return np.asarray(np.sin(angle) * self.right + np.cos(angle) * self.ahead(pitch))


def frame_of(window: Window) -> Frame:
    """The frame of a window's mask."""
    ys, xs = np.nonzero(window.mask)
    middle = np.array([xs.mean() + 0.5, ys.mean() + 0.5])
    view = window.camera.unproject(middle, np.asarray(1.0))
    up = window.camera.unproject(middle - [0, 1], np.asarray(1.0)) - view
    view = view / np.linalg.norm(view)
    up = up - (up @ view) * view
    up = up / np.linalg.norm(up)
    return Frame(np.cross(-up, view), up, view)


def straight_edges(window: Window) -> tuple[Array, Array]:
    """Unit normals (E, 3) of the planes through the camera and each straight edge, and its lengths (E,)."""
    outlines, _ = cv2.findContours(window.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    ends = []
    for outline in outlines:
        corners = cv2.approxPolyDP(outline, TOLERANCE, True)[:, 0] + 0.5
        ends.append(np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1))
    both = np.concatenate(ends)
    lengths = np.hypot(both[:, 2] - both[:, 0], both[:, 3] - both[:, 1])
    kept = lengths > LEAST_EDGE * max(window.mask.shape)
    first, last = both[kept, :2], both[kept, 2:]
    ones = np.ones(len(first))
    normals = np.cross(window.camera.unproject(first, ones), window.camera.unproject(last, ones))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True), lengths[kept]


def yaws(frame: Frame, normals: Array, pitch: float) -> tuple[Array, NDArray[np.bool_]]:
    """The yaw in degrees, in [-90, 90), of each edge taken as level, and which edges may be upright."""
    up = frame.upright(pitch)
    upright = np.abs(normals @ up) < UPRIGHT_SINE
    along = np.cross(normals, up)
    yaw = np.degrees(np.arctan2(along @ frame.right, along @ frame.ahead(pitch)))
    return (yaw + 90) % 180 - 90, upright
