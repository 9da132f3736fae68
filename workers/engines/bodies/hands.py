"""Hands of a person: 21 landmarks each from MediaPipe's hand model, and how its fingers bend.

Model and decoding: Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020), and the graph
`hand_landmark` of MediaPipe 0.10.21 (Apache-2.0). The region comes from BlazePose's wrist and knuckles
instead of a palm detector.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.blazepose import Pose2D
from workers.engines.bodies.crops import CropRegion
from workers.engines.protocols import Rgb
from workers.engines.protocols.bodies import HandState
from workers.engines.weights import open_session

Floats = NDArray[np.float64]
HAND_SIDE = 224
# Side of a region in distances from wrist to knuckles, and how far its middle lies beyond them. A fist is
# small for its wrist: in loose regions 10 to 40% of drawn fists are taken for hands, in tight ones 80 to
# 100%. Where BlazePose's wrist and knuckles are off, hands may lie in the loose region alone.
TIGHT, LOOSE, BEYOND = 2.6, 4.2, 0.25
# The region from a hand's own landmarks, from MediaPipe: the landmarks up to the middle joints of the
# fingers, the side of the region over that of their box, and the shift towards the fingers in heights of the
# box.
PALM, SPAN, SHIFT = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18], 2.0, 0.1
# Shortest distance in pixels from wrist to knuckles, half a hand: 32 px of hand show fingers, fewer do not.
LEAST_PIXELS = 16.0
# Confidence of BlazePose's wrist from which a hand is looked for, and of the hand model from which it is one.
WRIST_CONFIDENCE, PRESENCE = 0.5, 0.6
# Presence of a hand in a tight region that a second reading does not make better.
SURE = 0.9
# BlazePose's wrist, pinky, index and thumb of the left and of the right hand.
BODY_LANDMARKS = ((15, 17, 19, 21), (16, 18, 20, 22))
# The hand's wrist, and the same knuckles among its landmarks.
WRIST, KNUCKLES = 0, (17, 5, 2)
# Landmarks of index to pinky from the wrist to the tip.
FINGERS = tuple((WRIST, *range(first, first + 4)) for first in (5, 9, 13, 17))
# The three angles of a finger as the model reads them, summed, in degrees, and by how many radians each joint
# of the body's finger then bends: measured on the body's own hands, drawn from many sides (median of 16 views
# each). A straight finger is read as bent by 55 degrees.
READ_DEGREES = (55.0, 81.0, 115.0, 158.0, 170.0)
BENT_RADIANS = (0.0, 0.3, 0.6, 1.0, 1.25)
# Median curl of the fingers from which a hand is relaxed, and a fist: halfway between drawn open hands (0
# rad), hanging and half closed ones (0.28 to 0.6) and fists (1.0 and more).
RELAXED, FIST = 0.22, 0.76
# Distance of the hand's wrist from BlazePose's in distances from wrist to knuckles, from which it is another
# hand.
OTHER_HAND = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class HandPose:
    """One hand: `pixels` (21, 2) in the image, `world` (21, 3) metres in OpenCV axes of a camera that faces
    it, `presence` in [0, 1]."""

    pixels: Floats
    world: Floats
    presence: float

    def find_curls(self) -> Floats:
        """By how many radians each joint of index to pinky bends (4,): 0 is open, 1 and more a fist."""
        read = np.degrees(self.read_bends().sum(axis=1))
        curls: Floats = np.interp(read, READ_DEGREES, BENT_RADIANS)
        return curls

    def read_bends(self) -> Floats:
        """Angles in radians (4, 3) at the three joints of index to pinky, as the model reads them."""
        chains = self.world[np.array(FINGERS)]
        bones = np.diff(chains, axis=1)
        bones /= np.maximum(np.linalg.norm(bones, axis=2, keepdims=True), 1e-9)
        cosines = np.clip((bones[:, 1:] * bones[:, :-1]).sum(axis=2), -1.0, 1.0)
        angles: Floats = np.arccos(cosines)
        return angles


class HandReader:
    """The hand landmark model."""

    def __init__(self, threads: int = 2) -> None:
        self._model: Any = open_session("hand_landmark_full.onnx", threads)

    def read_hands(self, image: Rgb, pose: Pose2D) -> tuple[HandPose | None, HandPose | None]:
        """The left and the right hand of a person; None for one that is hidden, too small, or not a hand."""
        left, right = (self._read(image, pose, landmarks) for landmarks in BODY_LANDMARKS)
        return left, right

    def _read(self, image: Rgb, pose: Pose2D, landmarks: tuple[int, ...]) -> HandPose | None:
        wrist, pinky, index, _ = landmarks
        if pose.confidence[wrist] < WRIST_CONFIDENCE:
            return None
        start = pose.pixels[wrist]
        # MediaPipe's estimate of the middle finger's knuckle
        knuckle = (2.0 * pose.pixels[index] + pose.pixels[pinky]) / 3.0
        length = float(np.linalg.norm(knuckle - start))
        height, width = image.shape[:2]
        if length < LEAST_PIXELS or not (0 <= start[0] < width and 0 <= start[1] < height):
            return None
        for scale in (TIGHT, LOOSE):
            first = self._read_region(image, align_region(start, knuckle, scale))
            if first.presence < PRESENCE or _is_elsewhere(first, start, length):
                continue
            if scale == TIGHT and first.presence >= SURE:
                return first
            second = self._read_region(image, surround_hand(first.pixels))
            is_hand = second.presence >= PRESENCE and not _is_elsewhere(second, start, length)
            return second if is_hand else None
        return None

    def _read_region(self, image: Rgb, region: CropRegion) -> HandPose:
        crop = region.extract(image, HAND_SIDE).astype(np.float32) / 255.0
        flat, presence, world = self._model.run(["landmarks", "presence", "world"], {"image": crop[None]})
        unit = flat.astype(np.float64).reshape(21, 3)[:, :2] / HAND_SIDE
        points = world.astype(np.float64).reshape(21, 3)
        points[:, :2] = points[:, :2] @ region.rotation().T
        return HandPose(region.to_image(unit), points, float(presence[0, 0]))


def align_region(wrist: Floats, knuckle: Floats, scale: float) -> CropRegion:
    """The square about a hand whose fingers point up, from its wrist and middle knuckle (2,) in pixels."""
    dx, dy = (float(value) for value in knuckle - wrist)
    middle = knuckle + BEYOND * (knuckle - wrist)
    size = scale * float(np.hypot(dx, dy))
    return CropRegion(float(middle[0]), float(middle[1]), size, float(np.arctan2(dx, -dy)))


def surround_hand(pixels: Floats) -> CropRegion:
    """The square about landmarks (21, 2) of a hand whose fingers point up: a fist's is smaller."""
    knuckles = 0.5 * pixels[9] + 0.25 * (pixels[5] + pixels[13])
    dx, dy = (float(value) for value in knuckles - pixels[WRIST])
    angle = float(np.arctan2(dx, -dy))
    axes = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    places = pixels[PALM] @ axes.T
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (0.5 * (low + high) + [0.0, SHIFT * (high - low)[1]]) @ axes
    return CropRegion(float(middle[0]), float(middle[1]), SPAN * float((high - low).max()), angle)


def place_hands(pose: Pose2D, hands: tuple[HandPose | None, HandPose | None]) -> Pose2D:
    """The landmarks of a person with knuckles and thumbs of the hands in place of BlazePose's own."""
    pixels, world, confidence = pose.pixels.copy(), pose.world.copy(), pose.confidence.copy()
    for hand, (wrist, *places) in zip(hands, BODY_LANDMARKS, strict=True):
        if hand is None:
            continue
        pixels[places] = hand.pixels[list(KNUCKLES)]
        world[places] = world[wrist] + hand.world[list(KNUCKLES)] - hand.world[WRIST]
        confidence[places] = np.maximum(confidence[places], hand.presence)
    return replace(pose, pixels=pixels, world=world, confidence=confidence)


def list_curls(hands: tuple[HandPose | None, HandPose | None]) -> Floats:
    """The curls of the left and the right hand (2, 4); NaN for a hand that is None."""
    return np.stack([np.full(len(FINGERS), np.nan) if hand is None else hand.find_curls() for hand in hands])


def name_hand(curls: Floats) -> HandState | None:
    """Whether a hand is open, relaxed or a fist, from the curls (4,) of its fingers; None where unknown."""
    curl = float(np.median(curls))
    if np.isnan(curl):
        return None
    return "open" if curl < RELAXED else "relaxed" if curl < FIST else "fist"


def _is_elsewhere(hand: HandPose, wrist: Floats, length: float) -> bool:
    return float(np.linalg.norm(hand.pixels[WRIST] - wrist)) > OTHER_HAND * length
