"""Rows of change data: what is different between two times."""

from dataclasses import dataclass
from typing import Annotated

from workers.datasets.schema.columns import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """A kept track between two frames, A and B: what changed, by how much, and in words."""

    clip: Annotated[str, "clip of A, in clips"]
    frame: Annotated[int, "frame A"]
    other_clip: Annotated[str, "clip of B: the same one, or one whose tracks have the same ids"]
    other_frame: Annotated[int, "frame B"]
    track: Annotated[int | None, "track in A; null where it appeared"]
    other_track: Annotated[int | None, "track in B; null where it vanished"]
    label: Annotated[str, "name of the object in A, or in B where it appeared"]
    presence: Annotated[
        str,
        "both; appeared or vanished: seen in one and not near the other; replaced: another object is in its "
        "place; uncertain: not seen in one, but shortly before or after it",
    ]
    reason: Annotated[
        str | None,
        "why it vanished or appeared: left_image (it was cut by the border), hidden (by another object); "
        "null where that is unknown",
    ]
    moved: Annotated[bool | None, "whether its centre is elsewhere; null where that is unknown"]
    translation: Annotated[
        Floats | None,
        "from A to B. In the world: right, down and forward as the camera of A looks, in metres or units; in "
        "the image: right and down, over its width and height",
    ]
    turned: Annotated[bool | None, "whether its box has turned; null where its rotation is unknown"]
    degrees: Annotated[float | None, "angle of the turn, 0 to 180"]
    axis: Annotated[Floats | None, "unit vector that it turns about, right-handed, in the camera axes of A"]
    resized: Annotated[bool | None, "whether its size changed; null where its size is not measured"]
    factor: Annotated[float | None, "size in B over size in A: cube root of the ratio of volumes"]
    measured_in: Annotated[
        str | None, "world (3D boxes) or image (boxes before a camera that stands still); null for neither"
    ]
    scale_source: Annotated[str | None, "metric, prior or relative; null without 3D boxes"]
    edit: Annotated[
        str | None,
        "what was done to the scene between A and B where B was rendered for that: move, turn, resize, "
        "replace, remove, recolour or teleport, of this track; none of another track; null for videos",
    ]
    text: Annotated[str, "the same in words, one English sentence"]
