"""Body engines: people in an image to posed, rigged meshes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols.shared import Box, EngineInfo, Mask, Rgb, ScaleSource
from workers.geometry.cameras import Camera

BodyPart = Literal["left_arm", "right_arm", "left_leg", "right_leg", "trunk"]
HandState = Literal["open", "relaxed", "fist"]


@dataclass(frozen=True, slots=True)
class Rig:
    """A skinned body at rest, and the pose that was found.

    Rest vertices (V, 3) and joints (J, 3) are metres, y up, facing +z. `rotations` are the local joint
    rotations (J, 4) wxyz relative to the parent; `parents` holds -1 at the root. Skin holds the four
    strongest joints of each vertex: indices (V, 4) and weights (V, 4) that sum to 1.
    """

    joint_names: tuple[str, ...]
    parents: NDArray[np.int64]
    rest_joints: NDArray[np.float64]
    rest_vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    skin_joints: NDArray[np.int64]
    skin_weights: NDArray[np.float64]
    rotations: NDArray[np.float64]
    root_translation: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gravity:
    """Which way is down: `direction`, a unit vector in the camera frame, and where it comes from.

    "given" by the request, read from the "exif", estimated from the "people", or "assumed": a level camera.
    """

    direction: tuple[float, float, float]
    source: Literal["given", "exif", "people", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlane:
    """The plane that people stand on, in the camera frame: points x with `normal` . x + `offset` = 0.

    `normal` is a unit vector that points up, `offset` the height of the camera above the floor in metres.
    `feet` is the number of feet that touch it, None where that is unknown, `people` the number of people who
    stand on it.
    """

    normal: tuple[float, float, float]
    offset: float
    feet: int | None
    people: int

    def height(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heights (...) in metres above the floor of points (..., 3); negative under it."""
        heights: NDArray[np.float64] = points @ np.array(self.normal) + self.offset
        return heights


@dataclass(frozen=True, slots=True)
class BodyEstimate:
    """One person: posed vertices (V, 3) and joints (J, 3) in metres in the camera frame.

    All people of an image share `floor` and `gravity`; both are None where they are unknown. `grounded` says
    whether the person stands on the floor, None where that is unknown. `height_range` (m) holds the heights
    that the person may have, where the engine gives one.
    """

    rig: Rig
    vertices: NDArray[np.float64]
    joints: NDArray[np.float64]
    keypoint_names: tuple[str, ...]
    keypoints_2d: NDArray[np.float64]
    keypoints_3d: NDArray[np.float64]
    keypoint_visibility: NDArray[np.float64]
    parameters: Mapping[str, list[float]]
    camera: Camera
    box: Box
    scale_source: ScaleSource
    confidence: float
    reprojection_error: float
    flags: tuple[str, ...] = ()
    ambiguous_limbs: tuple[BodyPart, ...] = ()
    """Limbs, or the trunk, that may as well point the other way along depth."""
    hands: tuple[HandState | None, HandState | None] = (None, None)
    """The left and the right hand; None where it is not seen well enough."""
    grounded: bool | None = None
    floor: FloorPlane | None = None
    gravity: Gravity | None = None
    height_range: tuple[float, float] | None = None


@runtime_checkable
class BodyEngine(Protocol):
    info: EngineInfo

    def recover(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """One body per box, in order; None where no trustworthy body was found."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneHints:
    """What is known of an image: gravity, and the heights of people in metres (one per box, or none)."""

    gravity: Gravity | None = None
    heights: tuple[float | None, ...] = ()


@runtime_checkable
class GroupBodyEngine(Protocol):
    """What a body engine adds that solves all people of an image together: one floor, gravity, sizes."""

    info: EngineInfo

    def recover_group(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        scene: SceneHints,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """As `recover`, with what is known of the image; `recover` knows nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonHints:
    """What is known of one person: key points as name, x, y, and boxes of the person's own hands."""

    keypoints: tuple[tuple[str, float, float], ...] = ()
    left_hand: Box | None = None
    right_hand: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyControls:
    """Prompts of people and the refining of their hands.

    `people` has one entry per box, or none. `refined` says whether the left and the right hand are refined
    from crops of their own; `max_wrist_angle` in radians is how far a refined wrist may be turned from the
    body's own. None takes the engine's value.
    """

    people: tuple[PersonHints, ...] = ()
    refined: tuple[bool, bool] | None = None
    max_wrist_angle: float | None = None


@runtime_checkable
class PromptableBodyEngine(Protocol):
    """What a body engine adds that lists the capabilities `body_prompts` or `hand_refinement`."""

    info: EngineInfo

    def recover_prompted(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        controls: BodyControls,
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
    ) -> list[BodyEstimate | None]:
        """One body per box as the controls say; raises RequestRefused `keypoint_unknown`."""
        ...


@runtime_checkable
class LodBodyEngine(Protocol):
    """What a body engine adds whose meshes have levels of detail."""

    def at_lod(self, body: BodyEstimate, lod: int) -> BodyEstimate:
        """A body that `recover` gave, at a level from 0 (finest) to 6."""
        ...
