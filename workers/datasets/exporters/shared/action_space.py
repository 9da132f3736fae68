"""One matrix of actions for formats that have the same action columns in every clip."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from workers.datasets.scene_clip import SceneClip

ActionKind = Literal["auto", "recorded", "inferred", "ego_motion", "subject"]
ActionKindOption = Annotated[
    ActionKind,
    "which actions the export holds; `auto` takes recorded ones, else inferred ones, else ego-motion;"
    " `subject` is where the largest track is in the next frame, which any video has",
]
# of two kinds the first is exported when both are there
PREFERENCE = ("recorded", "inferred", "ego_motion")
SUBJECT, SUBJECT_NAMES = "subject", ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class ActionSpace:
    """The kind and the names of the actions that an export holds."""

    kind: str
    names: tuple[str, ...]

    @classmethod
    def choose(cls, clips: Iterable[SceneClip], wanted: ActionKind = "auto") -> "ActionSpace | None":
        """The first kind of `PREFERENCE` that any clip has, or the one wanted; of these the names that most
        clips have. None when no clip has such actions.
        """
        if wanted == SUBJECT:
            has_subject = any(clip.observations for clip in clips)
            return cls(SUBJECT, SUBJECT_NAMES) if has_subject else None
        counts = Counter(
            (row.kind, row.names)
            for clip in clips
            for row in {row.kind: row for row in clip.actions}.values()
            if wanted in ("auto", row.kind)
        )
        if not counts:
            return None
        (kind, names), _ = max(counts.items(), key=lambda item: (-_rank(item[0][0]), item[1]))
        return cls(kind, names)

    def matrix(self, clip: SceneClip) -> NDArray[np.float32]:
        """f32 (T, A): row t leads from frame t to t + 1; NaN where unknown, and in the last row."""
        out = np.full((len(clip), len(self.names)), np.nan, np.float32)
        if self.kind == SUBJECT:
            out[:-1] = measure_subject(clip)[1:]
            return out
        for row in clip.actions:
            if row.kind == self.kind and row.names == self.names:
                out[row.frame] = row.values
        return out

    def explain_absence(self, clip: SceneClip) -> str | None:
        """Why none of the actions of a clip are in the export; None where some are."""
        if self.kind == SUBJECT:
            return None if clip.observations else "no track is kept"
        names = {row.kind: row.names for row in clip.actions}
        if self.kind not in names:
            others = f", only {', '.join(sorted(names))}" if names else ""
            return f"it has no actions of the kind {self.kind}{others}"
        if any(row.kind == self.kind and row.names == self.names for row in clip.actions):
            return None
        own, exported = ", ".join(names[self.kind]), ", ".join(self.names)
        return f"its {self.kind} actions are {own}, not {exported}"


def measure_subject(clip: SceneClip) -> NDArray[np.float32]:
    """The box of the kept track that covers most of a clip, f32 (T, 4): its middle and its size, x first.

    Over the width and the height of the image; NaN where it is not seen.
    """
    out = np.full((len(clip), len(SUBJECT_NAMES)), np.nan, np.float32)
    areas: Counter[int] = Counter()
    for row in clip.observations:
        areas[row.track] += row.area
    if not areas:
        return out
    subject = min(areas, key=lambda track: (-areas[track], track))
    height, width = clip.size
    for row in clip.observations:
        if row.track == subject:
            middle = (row.x0 + row.x1) / 2 / width, (row.y0 + row.y1) / 2 / height
            out[row.frame] = *middle, (row.x1 - row.x0) / width, (row.y1 - row.y0) / height
    return out


def fill_unknown(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Rows (T, A) with zeros where any value is not known, and whether each row is known (T,)."""
    known = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
    return np.where(known[:, None], values, np.float32(0)), known


def _rank(kind: str) -> int:
    return PREFERENCE.index(kind) if kind in PREFERENCE else len(PREFERENCE)
