"""A bodies job: rigged bodies of the people in an image or a video."""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from maquette.contract.formats import BodyFormat
from maquette.contract.geometry import Intrinsics, Vector3
from maquette.contract.media import MediaRef
from maquette.contract.prompts import Boxes, Masks
from maquette.contract.requests.common import CameraPoses, FrameLimit, JobBase, JobId
from maquette.contract.requests.engine_options import BODY_PROMPTS, HAND_REFINEMENT, EngineOption
from maquette.contract.requests.person_prompts import HandChoice, PersonPrompt, WristAngle
from maquette.contract.requests.regions import Region, list_regions

Degrees = Annotated[float, Field(ge=-90, le=90)]
# metres: a child that cannot stand yet, and nearly the tallest man there was
SHORTEST, TALLEST = 0.3, 2.6
Height = Annotated[float, Field(ge=SHORTEST, le=TALLEST)]
MOST_PEOPLE = 256
# characters of a wrong value that are repeated to the sender
SHOWN = 40


def _check_heights(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Say in one sentence what heights are: pydantic complains of every branch of a union."""
    try:
        return handler(value)
    except ValidationError as error:
        if isinstance(value, list) and len(value) > MOST_PEOPLE:
            raise ValueError(f"there are {len(value)} heights: the most is {MOST_PEOPLE}") from error
        wrong = value
        if isinstance(value, list):
            index = next(int(item["loc"][-1]) for item in error.errors() if isinstance(item["loc"][-1], int))
            wrong = value[index]
        text = json.dumps(wrong, default=repr, ensure_ascii=False)
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        raise ValueError(
            f"{shown} is not a valid height: give {SHORTEST} to {TALLEST} metres, one number for all people, "
            "or a list with one per box or mask, null where it is unknown"
        ) from error


Heights = Annotated[
    Height | Annotated[list[Height | None], Field(max_length=MOST_PEOPLE)], WrapValidator(_check_heights)
]


class BodiesJob(JobBase):
    """A rigged body per person of an image, or an animated one per person of a video.

    Without boxes, masks or an earlier job, people are detected first.
    """

    kind: Literal["bodies"] = "bodies"
    image: MediaRef | None = None
    """The image; give exactly one of `image`, `video` and `from_job`."""
    video: MediaRef | None = None
    """The video."""
    boxes: Boxes = []
    """Boxes of people in the image, in pixels."""
    masks: Masks = []
    """Masks of people in the image; with `boxes`, one per box."""
    people: Annotated[list[PersonPrompt | None], Field(max_length=256)] = []
    """Key points and hand boxes, one entry per box or mask (null for none), for engines with the capability
    `body_prompts`."""
    hands: HandChoice | None = None
    """Which hands are refined from crops of their own (capability `hand_refinement`); null takes the
    engine's."""
    max_wrist_angle: WristAngle | None = None
    """Largest turn in radians between a refined wrist and the body's own up to which the hand is used
    (capability `hand_refinement`); null takes the engine's."""
    from_job: JobId | None = None
    """Id of a segment job or of a track job that brings the image or video and the people's masks."""
    camera: Intrinsics | None = None
    """Intrinsics in pixels of the full image; null takes EXIF or an estimate."""
    gravity: Vector3 | None = None
    """Direction in which things fall, in the camera frame (x right, y down, z forward); its length does not
    matter. Null takes `camera_pitch_deg`, EXIF or an estimate."""
    camera_pitch_deg: Degrees | None = None
    """Degrees by which a camera without roll looks below the horizon; an alternative to `gravity`."""
    formats: Annotated[list[BodyFormat], Field(min_length=1, max_length=6)] = ["glb"]
    """Formats to write."""
    lod: Annotated[int, Field(ge=0, le=6)] | None = None
    """Level of detail of engines that have several; null takes the engine's."""
    vertices: bool = False
    """Write posed vertices in NPZ and JSON too."""
    max_people: Annotated[int, Field(ge=1, le=256)] = 64
    """Maximum number of people; the largest are kept."""
    max_frames: FrameLimit | None = None
    """Maximum number of frames of a video."""
    smoothing: bool = True
    """Smooth the motion of a video."""
    max_gap_seconds: Annotated[float, Field(ge=0, le=5)] = 0.5
    """Longest gap in a person's motion that is interpolated, in seconds."""
    height_m: Heights | None = None
    """Height of the people in metres, standing: one for all, or one per box or mask (null where unknown). It
    sets the size and the distance, which one image does not determine."""
    world_from_cam: CameraPoses | None = None
    """Camera poses, a 4x4 matrix in metres per frame of a video: bodies are then placed in the world."""
    world_up: Literal["-y", "y", "z"] = "-y"
    """The axis of the world that points up."""

    @model_validator(mode="after")
    def _check_source(self) -> "BodiesJob":
        if sum(source is not None for source in (self.image, self.video, self.from_job)) != 1:
            raise ValueError("give exactly one of 'image', 'video' and 'from_job'")
        if self.image is None and (self.boxes or self.masks):
            raise ValueError("'boxes' and 'masks' lie in an 'image': a video or an earlier job has its own")
        if self.masks and self.boxes and len(self.masks) != len(self.boxes):
            raise ValueError("'masks' and 'boxes' must name the same people: their lengths differ")
        if isinstance(self.height_m, list) and len(self.height_m) != max(len(self.boxes), len(self.masks)):
            raise ValueError("'height_m' has one height for all, or one per box or mask of an 'image'")
        if self.people and len(self.people) != max(len(self.boxes), len(self.masks)):
            raise ValueError("'people' has one entry per box or mask of an 'image'")
        if self.gravity is not None and self.camera_pitch_deg is not None:
            raise ValueError("give 'gravity' or 'camera_pitch_deg', not both: each is the camera's attitude")
        if self.gravity is not None and not 1e-6 < math.hypot(*self.gravity) < 1e6:
            raise ValueError("'gravity' is a direction: it cannot be zero")
        if self.image is not None and (why := self.video_only_field()):
            raise ValueError(f"{why} of a video: leave it out with 'image'")
        if self.video is not None and (why := self.image_only_format()):
            raise ValueError(why)
        return self

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield prompts for people, and what is said of their hands."""
        people = [person for person in self.people if person is not None]
        if people:
            yield BODY_PROMPTS
        has_hands = any(person.left_hand or person.right_hand for person in people)
        if has_hands or self.hands is not None or self.max_wrist_angle is not None:
            yield HAND_REFINEMENT

    def regions(self) -> Iterator[Region]:
        """Yield boxes and masks, then key points and hands."""
        yield from list_regions("boxes", self.boxes)
        yield from list_regions("masks", self.masks)
        for index, person in enumerate(self.people):
            if person is not None:
                yield from person.regions(f"people[{index}]")

    def height_at(self, index: int) -> float | None:
        """Return the given height in metres of the person in box or mask `index`; None where unknown."""
        return self.height_m[index] if isinstance(self.height_m, list) else self.height_m

    def video_only_field(self) -> str | None:
        """Name a field that is set although only videos have it, with its verb; None when there is none."""
        if self.world_from_cam is not None:
            return "'world_from_cam' is"
        return None if self.max_frames is None else "'max_frames' is"

    def image_only_format(self) -> str | None:
        """Say why a requested format cannot hold a video's motion; None when all can."""
        still = [name for name in self.formats if name in ("obj", "ply")]
        if still:
            return f"{still[0]!r} holds one pose: ask for glb, bvh, npz or json of a video"
        return None
