"""BlazePose: 33 landmarks of one person in a region of an image, by ONNX Runtime.

Model and decoding: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020), and the
graphs `pose_detection` and `pose_landmark` of MediaPipe 0.10.21 (Apache-2.0), with the same constants.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.crops import CropRegion
from workers.engines.protocols import Box, Mask, Rgb
from workers.engines.weights import open_session

# From MediaPipe: input sides in pixels, and the size of a region over its box or its alignment points.
DETECTOR_SIDE = 224
LANDMARK_SIDE = 256
LANDMARKS = 33
SCALE = 1.25
DETECTION_SCORE = 0.5
# Scale of the distance between torso and box centre, as a share of the box's square, at which a detection
# counts less: it may be another person. Chosen, not measured.
TORSO_SPREAD = 0.4
# Distance of two detections' hips, over the reach of the better one, from which they are two people: those of
# one person differ by less than 0.1, those of children side by side by 0.6 and more.
OTHER_PERSON = 0.4
# From MediaPipe: window in heatmap cells, and the peak from which a landmark is refined.
HEATMAP_KERNEL = 7
HEATMAP_CONFIDENCE = 0.5
# Distance between two readings, as a share of the region, at which the confidence falls to 1/e. Chosen, not
# measured.
AGREEMENT_SCALE = 0.06
# Sizes of a region over that before it which are plausible for the same person. Chosen, not measured.
MIN_SIZE_RATIO, MAX_SIZE_RATIO = 0.4, 2.5
# Each landmark's partner on the other side.
MIRROR = np.array(
    [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(k + 1 if k % 2 else k - 1 for k in range(11, 33))], dtype=np.int64
)
OUTPUTS = ("landmarks", "presence", "mask", "heatmap", "world")
# (grid, anchors per cell) of the detector's layers; layers of one stride are merged.
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose2D:
    """The landmarks of one person from BlazePose.

    `pixels` (33, 2) in the image; `confidence` (33,) in [0, 1] that a landmark is right and visible;
    `world` (33, 3) metres about the mid-hip, OpenCV axes of a camera that faces the person; `score` that
    there is a person, in [0, 1]; `hip` and `top` (2,) the model's own alignment points in the image.
    """

    pixels: Floats
    confidence: Floats
    world: Floats
    score: float
    hip: Floats
    top: Floats
    region: CropRegion
    foreground: NDArray[np.float32] | None = None
    """Probability (256, 256) that a point of the region belongs to the person; None where it was not read."""
    crowded: bool = False
    """Whether the detector found somebody else in the box too."""

    def mask(self, height: int, width: int) -> Mask:
        """The person's pixels (height, width) in the image, from the foreground; ValueError without one."""
        if self.foreground is None:
            raise ValueError("the foreground of this pose was not read")
        turn = self.region.rotation() * (self.region.size / LANDMARK_SIDE)
        offset = np.array([self.region.x, self.region.y]) - turn @ np.full(2, (LANDMARK_SIDE - 1) / 2) - 0.5
        affine = np.concatenate([turn, offset[:, None]], axis=1)
        warped = cv2.warpAffine(self.foreground, affine, (width, height), flags=cv2.INTER_LINEAR)
        out: Mask = warped > 0.5
        return out


class BlazePose:
    """Detector and landmark model; one instance holds both sessions."""

    def __init__(self, threads: int = 2) -> None:
        self._detector: Any = open_session("blazepose_detector.onnx", threads)
        self._landmarks: Any = open_session("blazepose_landmark_full.onnx", threads)
        self._anchors = build_anchors()

    def find_region(self, image: Rgb, box: Box) -> CropRegion:
        """The region of the person in a box: from the detector, otherwise the square around the box."""
        return self._detect(image, box)[0]

    def _detect(self, image: Rgb, box: Box) -> tuple[CropRegion, bool]:
        """The region of the person in a box, and whether somebody else is in it."""
        upright = CropRegion.around(box, SCALE)
        crop = upright.extract(image, DETECTOR_SIDE)
        scaled = (crop.astype(np.float32) / 127.5 - 1.0)[None]
        raw, logits = self._detector.run(["boxes", "scores"], {"image": scaled})
        scores = sigmoid(logits[0, :, 0].astype(np.float64))
        points = raw[0].astype(np.float64).reshape(-1, 6, 2) / DETECTOR_SIDE + self._anchors[:, None]
        # A detection ends with four points: hips, whole body's reach, shoulders, upper body's reach.
        torso = points[:, [2, 4]].mean(axis=1)
        central = scores * np.exp(-(((torso - 0.5) / TORSO_SPREAD) ** 2).sum(axis=1))
        best = int(np.argmax(np.where(scores >= DETECTION_SCORE, central, 0.0)))
        if scores[best] < DETECTION_SCORE:
            return upright, False
        hips = upright.to_image(points[:, 2])
        reach = float(np.linalg.norm(upright.to_image(points[best, 3]) - hips[best]))
        apart = np.linalg.norm(hips - hips[best], axis=1) > OTHER_PERSON * reach
        inside = (hips >= np.array(box[:2])).all(axis=1) & (hips < np.array(box[2:])).all(axis=1)
        crowded = bool((apart & inside & (scores >= DETECTION_SCORE)).any())
        hip, top = upright.to_image(points[best, [2, 3]])
        region = CropRegion.aligned(hip, top, SCALE)
        # A region of a very different size is another person, or none.
        return region if _has_similar_size(region, upright) else upright, crowded

    def read_landmarks(self, image: Rgb, region: CropRegion, *, foreground: bool = False) -> Pose2D:
        """Landmarks of the person in a region, and with `foreground` which pixels are the person's."""
        return self._read(region.extract(image, LANDMARK_SIDE), region, foreground=foreground)

    def _read(
        self, crop: NDArray[np.uint8], region: CropRegion, *, foreground: bool, mirrored: bool = False
    ) -> Pose2D:
        """Landmarks of a region's crop; `mirrored` reads the mirror image and maps the result back."""
        if mirrored:
            crop = np.ascontiguousarray(crop[:, ::-1])
        scaled = (crop.astype(np.float32) / 255.0)[None]
        # the mask takes two fifths of the model's time
        inputs = {"image": scaled, "with_mask": np.array([foreground])}
        flat, score, mask, heatmap, world = self._landmarks.run(OUTPUTS, inputs)
        return decode_outputs(
            flat[0],
            float(score[0, 0]),
            mask[0, :, :, 0] if foreground else None,
            heatmap[0],
            world[0],
            region,
            mirrored=mirrored,
        )

    def estimate_pose(self, image: Rgb, box: Box, *, foreground: bool = True) -> Pose2D:
        """Landmarks of the person in a box: one reading, then two in the region that it gives.

        The second and the third reading are of the aligned region and its mirror image: their mean is more
        stable, and where they disagree the model is guessing. Without `foreground` it is not read, which
        leaves the landmarks as they are.
        """
        start, crowded = self._detect(image, box)
        first = replace(self.read_landmarks(image, start), crowded=crowded)
        if first.score < DETECTION_SCORE:
            return first
        region = CropRegion.aligned(first.hip, first.top, SCALE)
        if not _has_similar_size(region, first.region):
            region = first.region
        crop = region.extract(image, LANDMARK_SIDE)
        second, third = (
            self._read(crop, region, foreground=foreground, mirrored=mirrored) for mirrored in (False, True)
        )
        if min(second.score, third.score) < DETECTION_SCORE:
            if foreground:
                first = replace(self.read_landmarks(image, start, foreground=True), crowded=crowded)
            return first
        return replace(merge_poses(second, third), crowded=crowded)


def _has_similar_size(a: CropRegion, b: CropRegion) -> bool:
    return MIN_SIZE_RATIO < a.size / b.size < MAX_SIZE_RATIO


def merge_poses(a: Pose2D, b: Pose2D) -> Pose2D:
    """The mean of two readings of one region; confidence falls where they disagree."""
    weights = np.stack([a.confidence, b.confidence]) + 1e-3
    share = (weights[0] / weights.sum(axis=0))[:, None]
    distance = np.linalg.norm(a.pixels - b.pixels, axis=1) / a.region.size
    agreement = np.exp(-((distance / AGREEMENT_SCALE) ** 2))
    return Pose2D(
        pixels=share * a.pixels + (1 - share) * b.pixels,
        confidence=0.5 * (a.confidence + b.confidence) * agreement,
        world=share * a.world + (1 - share) * b.world,
        score=0.5 * (a.score + b.score),
        hip=0.5 * (a.hip + b.hip),
        top=0.5 * (a.top + b.top),
        region=a.region,
        foreground=None
        if a.foreground is None or b.foreground is None
        else 0.5 * (a.foreground + b.foreground),
    )


def build_anchors() -> Floats:
    """Anchor centres (2254, 2) in [0, 1] of the detector."""
    parts = []
    for grid, count in ANCHOR_GRIDS:
        centres = (np.arange(grid) + 0.5) / grid
        y, x = np.meshgrid(centres, centres, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(parts)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), clipped where it saturates."""
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(x, -80.0, 80.0)))
    return out


def decode_outputs(
    flat: NDArray[np.float32],
    score: float,
    mask: NDArray[np.float32] | None,
    heatmap: NDArray[np.float32],
    world: NDArray[np.float32],
    region: CropRegion,
    *,
    mirrored: bool = False,
) -> Pose2D:
    """The model's raw outputs (195,), (256, 256), (64, 64, 39), (117,) as a Pose2D."""
    table = flat.astype(np.float64).reshape(-1, 5)
    unit = table[:, :2] / LANDMARK_SIDE
    unit[:LANDMARKS] = refine_landmarks(unit[:LANDMARKS], heatmap[:, :, :LANDMARKS])
    confidence = sigmoid(table[:LANDMARKS, 3]) * sigmoid(table[:LANDMARKS, 4])
    points = world.astype(np.float64).reshape(-1, 3)[:LANDMARKS].copy()
    foreground = None
    if mask is not None:
        foreground = np.reciprocal(np.float32(1.0) + np.exp(-np.clip(mask, -80.0, 80.0)))
        foreground = foreground[:, ::-1] if mirrored else foreground
    if mirrored:
        unit[:, 0] = 1.0 - unit[:, 0]
        points[:, 0] *= -1.0
        unit[:LANDMARKS], points, confidence = unit[MIRROR], points[MIRROR], confidence[MIRROR]
    points[:, :2] = points[:, :2] @ region.rotation().T
    pixels = region.to_image(unit)
    return Pose2D(
        pixels=pixels[:LANDMARKS],
        confidence=confidence,
        world=points,
        score=score,
        hip=pixels[LANDMARKS],
        top=pixels[LANDMARKS + 1],
        region=region,
        foreground=foreground,
    )


def refine_landmarks(points: Floats, heatmap: NDArray[np.float32]) -> Floats:
    """Landmarks (33, 2) in [0, 1] moved to the centroid of their heatmap (h, w, 33) where its peak is high.

    MediaPipe's RefineLandmarksFromHeatmap: a 7x7 window about the landmark, used where its peak reaches 0.5.
    """
    height, width, count = heatmap.shape
    column, row = (points * [width, height]).astype(np.int64).T
    around = np.arange(HEATMAP_KERNEL) - HEATMAP_KERNEL // 2
    x, y = column[:, None] + around, row[:, None] + around
    known_x, known_y = (x >= 0) & (x < width), (y >= 0) & (y < height)
    at = np.clip(y, 0, height - 1)[:, :, None], np.clip(x, 0, width - 1)[:, None], np.arange(count)
    window = sigmoid(heatmap[at[0], at[1], at[2][:, None, None]].astype(np.float64))
    window *= known_y[:, :, None] & known_x[:, None]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    sure = inside & (window.max(axis=(1, 2)) >= HEATMAP_CONFIDENCE)
    window /= np.where(sure, window.sum(axis=(1, 2)), 1.0)[:, None, None]
    refined = np.stack([(window.sum(axis=1) * x).sum(axis=1), (window.sum(axis=2) * y).sum(axis=1)], axis=1)
    return np.where(sure[:, None], refined / [width, height], points)
