"""What is left of a mask when an extrusion is undone, and what that covers when it is swept again.

A flat cap X with axis . X = c, moved back by s along its axis, is seen through the homography
K (I + s/|c| axis axis^T) K^-1 of its own picture. The cap is the part of the mask that stays inside the mask
all along the way; the extrusion explains the mask as far as the swept cap covers it. Signed distances are
moved rather than pixels, so that steps of pixels do not add up.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.visual_hull import signed_distance
from workers.engines.objects.single_view.coarse_mask import Window
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
Field = NDArray[np.float32]
FAR = -20.0
STRIDE = 2.5
LEAST_SLANT = 0.05


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Signed distances (h, w) in samples to a mask's edge, positive within, and these samples' camera."""

    distance: Field
    camera: Camera
    view: Array
    to_ray: Array
    to_pixel: Array

    @classmethod
    def of(cls, window: Window, view: Array, coarser: int = 1) -> "Sweeper":
        """The mask of a window, at every `coarser`-th sample; `view` (3,) is the ray to its middle."""
        field = signed_distance(window.mask & ~window.open)
        if coarser == 1:
            return cls(field, window.camera, view, *_matrices(window.camera))
        size = (-(-field.shape[1] // coarser), -(-field.shape[0] // coarser))
        padded = np.pad(
            field,
            ((0, size[1] * coarser - field.shape[0]), (0, size[0] * coarser - field.shape[1])),
            mode="edge",
        )
        camera = window.camera.crop(0, 0, padded.shape[1], padded.shape[0]).resized(*size)
        small = cv2.resize(padded, size, interpolation=cv2.INTER_AREA) / coarser
        return cls(small.astype(np.float32), camera, view, *_matrices(camera))

    def shift(self, axis: Array, samples: float) -> float:
        """The move s/|c| that shifts the middle of the picture by so many samples."""
        ray = self.view / self.view[2]
        tiny = 1e-4
        there = self.camera.project(np.stack([ray, ray + tiny * (axis @ ray) * axis]))
        return samples * tiny / max(float(np.linalg.norm(there[1] - there[0])), 1e-9)

    def sees(self, axis: Array) -> bool:
        """Whether a cap with that axis is seen from its front at every sample of the mask."""
        ys, xs = np.nonzero(self.distance > 0)
        rays = self.camera.unproject((np.stack([xs, ys], axis=1) + 0.5).astype(np.float64), np.ones(len(xs)))
        return bool((rays @ axis < -LEAST_SLANT).all())

    def cap(self, axis: Array, samples: float) -> Field:
        """The signed distance to the edge of the largest cap whose sweep stays within the mask."""
        out = self.distance
        for end in self._ends(axis, samples):
            out = np.minimum(out, self._moved(self.distance, axis, end))
        return out

    def covered(self, cap: Field, axis: Array, samples: float) -> Field:
        """The signed distance to the edge of what a cap covers on its way."""
        out = cap
        for end in self._ends(axis, samples):
            # the way back: (I + end a a^T)^-1
            out = np.maximum(out, self._moved(cap, axis, -end / (1 + end)))
        return out

    def lost(self, axis: Array, samples: float) -> tuple[float, float]:
        """The share of the mask that no such extrusion covers, and how deep the worst miss is, in samples."""
        covered = self.covered(self.cap(axis, samples), axis, samples)
        inside = self.distance > 0
        return float((covered[inside] < 0).mean()), max(float(-covered[inside].min()), 0.0)

    def iou(self, drawn: Field) -> float:
        """IoU of the mask with a field's inside."""
        inside, found = self.distance > 0, drawn > 0
        return float((inside & found).sum() / max(int((inside | found).sum()), 1))

    def _ends(self, axis: Array, samples: float) -> Array:
        steps = max(3, int(np.ceil(samples / STRIDE)))
        return np.linspace(0, self.shift(axis, samples), steps + 1)[1:]

    def _moved(self, field: Field, axis: Array, end: float) -> Field:
        homography = self.to_pixel @ self.to_ray + end * np.outer(self.to_pixel @ axis, axis @ self.to_ray)
        return np.asarray(
            cv2.warpPerspective(
                field,
                homography,
                field.shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=FAR,
            ),
            dtype=np.float32,
        )


def _matrices(camera: Camera) -> tuple[Array, Array]:
    """From samples as OpenCV counts them, whose centres are whole, to rays, and back."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = camera.matrix()
    return np.linalg.inv(matrix) @ half, np.linalg.inv(half) @ matrix
