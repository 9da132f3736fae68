"""One matrix of actions for formats that have the same action columns in every clip."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True, slots=True)
class ActionSpace:
    """The kind and the names of the actions that an export holds."""

    kind: str
    names: tuple[str, ...]

    @classmethod
    def choose(cls, clips: Iterable[SceneClip]) -> "ActionSpace | None":
        """Recorded actions when any clip has them, else ego-motion; of these the names that most clips have.

        None when no clip has actions.
        """
        counts = Counter(
            (row.kind == "recorded", row.kind, row.names)
            for clip in clips
            for row in {row.kind: row for row in clip.actions}.values()
        )
        if not counts:
            return None
        (_, kind, names), _ = max(counts.items(), key=lambda item: (item[0][0], item[1]))
        return cls(kind, names)

    def matrix(self, clip: SceneClip) -> NDArray[np.float32]:
        """f32 (T, A): row t leads from frame t to t + 1; NaN where unknown, and in the last row."""
        out = np.full((len(clip), len(self.names)), np.nan, np.float32)
        for row in clip.actions:
            if row.kind == self.kind and row.names == self.names:
                out[row.frame] = row.values
        return out
