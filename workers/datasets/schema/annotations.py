"""Rows of what is said about clips: actions, captions and concepts."""

from dataclasses import dataclass
from typing import Annotated

from workers.datasets.schema.columns import Floats, Strings


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """The action between a frame and the next one."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "the action leads from this frame to the next stored one; the last has no row"]
    kind: Annotated[str, "ego_motion, recorded or inferred"]
    names: Annotated[Strings, "names of the values"]
    values: Annotated[
        Floats,
        "over the interval to the next stored frame. For ego_motion: next camera in the axes of this one, "
        "translation and rotation vector, exactly zero for a camera that stands still",
    ]
    types: Annotated[
        Strings | None,
        "type of each recorded value: delta (summed over the interval), state (the last) or button (down at "
        "all); null for other kinds, and where it is unknown and nothing was composed",
    ] = None
    composed_steps: Annotated[
        int | None, "number of recorded actions that were composed into this one; null for other kinds"
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRow:
    """A caption of a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    kind: Annotated[str, "composed (from measured facts), engine or given"]
    text: Annotated[str, "one or two sentences, English"]
    engine: Annotated[str, "name and version of the captioner"]
    score: Annotated[
        float | None, "share of its facts that hold in another frame; null if none could be checked"
    ]
    kept: Annotated[bool | None, "whether it passed the gate caption_alignment; null without that gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptRow:
    """A phrase that was searched for in a clip; presence = absent makes the clip a negative example of it."""

    clip: Annotated[str, "in clips"]
    phrase: Annotated[str, "the phrase of the job; key with clip"]
    found: Annotated[int, "number of tracks before the gates"]
    kept: Annotated[int, "number of tracks after the gates"]
    engine: Annotated[str, "name and version of the engine"]
    presence: Annotated[
        str | None,
        "present: a track was kept; rejected: tracks were found, and gates rejected all; absent: every frame "
        "was searched in vain; unknown: not every frame was searched; null before schema version 3",
    ] = None
