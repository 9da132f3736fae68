"""The memory of a tracker: one record per object, and its way to bytes and back."""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.appearance import Histogram
from workers.engines.concepts.flow import Soft
from workers.engines.protocols import Mask, Rgb

FORMAT = 2


@dataclass(slots=True)
class Track:
    """One object. `soft` is its whole mask u8 (h, w) at working resolution, `visible` what is seen of it.

    `look` is its histogram and `area` its size in working pixels, both learnt while it is surely seen.
    `velocity` is in pixels of the flow image a frame. `lost_at` is the frame that lost it, -1 if none has.
    """

    id: int
    prompt: int
    label: str | None
    score: float
    soft: Soft
    visible: Soft
    look: Histogram
    area: float
    velocity: tuple[float, float] = (0.0, 0.0)
    missed: int = 0
    lost_at: int = -1

    @property
    def whole(self) -> Mask:
        return np.asarray(self.soft > 127, dtype=np.bool_)

    @property
    def mask(self) -> Mask:
        return np.asarray(self.visible > 127, dtype=np.bool_)


@dataclass(slots=True)
class Memory:
    """All that a tracker knows between two frames; its size does not grow with the video.

    `removed` are the ids that the user took away; those of phrases stay among the tracks, unseen, so that
    the same thing is not found anew. `pause` is how many frames the next keyframe may wait.
    """

    frames: int
    keyframe: int
    next_id: int
    size: tuple[int, int]
    small: Rgb
    tracks: list[Track]
    removed: list[int]
    pause: int

    @property
    def seen(self) -> list[Track]:
        """The tracks that are not lost."""
        return [track for track in self.tracks if track.lost_at < 0]


_SCALARS = ("id", "prompt", "label", "score", "area", "velocity", "missed", "lost_at")


def to_bytes(memory: Memory, prompts: dict[str, Any]) -> bytes:
    """The memory as npz bytes: one JSON header and plain arrays."""
    header = {
        "format": FORMAT,
        "prompts": prompts,
        "frames": memory.frames,
        "keyframe": memory.keyframe,
        "next_id": memory.next_id,
        "size": list(memory.size),
        "removed": memory.removed,
        "pause": memory.pause,
        "tracks": [{name: getattr(track, name) for name in _SCALARS} for track in memory.tracks],
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "small": memory.small,
    }
    for index, track in enumerate(memory.tracks):
        arrays[f"soft{index}"] = track.soft
        arrays[f"visible{index}"] = track.visible
        arrays[f"look{index}"] = track.look
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def from_bytes(state: bytes, prompts: dict[str, Any]) -> Memory:
    """The memory back; raises ValueError when the bytes are not a snapshot made with these prompts."""
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']} is not {FORMAT}")
            tracks = [
                Track(
                    soft=arrays[f"soft{index}"],
                    visible=arrays[f"visible{index}"],
                    look=arrays[f"look{index}"],
                    **{**scalars, "velocity": tuple(scalars["velocity"])},
                )
                for index, scalars in enumerate(header["tracks"])
            ]
            height, width = header["size"]
            memory = Memory(
                header["frames"],
                header["keyframe"],
                header["next_id"],
                (height, width),
                arrays["small"],
                tracks,
                header["removed"],
                header["pause"],
            )
    except Exception as error:
        raise ValueError(f"not a snapshot of this tracker: {error}") from error
    if header["prompts"] != prompts:
        raise ValueError("the snapshot was made with other prompts")
    return memory
