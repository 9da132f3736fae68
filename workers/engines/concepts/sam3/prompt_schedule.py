"""Which prompts of a video come on which of its frames."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from workers.engines.concepts.sam3.clicks import checked
from workers.engines.protocols import TrackPrompts, VisualPrompt


class PromptSchedule:
    """The clicks and removals of a video by the index of their frame; `gone` are ids that were removed."""

    def __init__(self, prompts: TrackPrompts) -> None:
        self._clicks: dict[int, dict[int, list[VisualPrompt]]] = defaultdict(lambda: defaultdict(list))
        for timed in prompts.visual_prompts:
            self._clicks[timed.frame][timed.id].append(timed.prompt)
        self._removals: dict[int, list[int]] = defaultdict(list)
        for removal in prompts.removals:
            self._removals[removal.frame].append(removal.id)
        self.gone: set[int] = set()

    def check(self, size: tuple[int, int]) -> None:
        """Raise ValueError for the first click that can never be answered in frames (height, width)."""
        for frame in self._clicks.values():
            for clicks in frame.values():
                for click in clicks:
                    checked(click, size, mends=True)

    def clicks(self, frame: int) -> dict[int, VisualPrompt]:
        """The click of each object on it, several on one object as one; none of those that are gone."""
        asked = self._clicks.get(frame, {})
        return {number: merged(clicks) for number, clicks in asked.items() if number not in self.gone}

    def removals(self, frame: int) -> Sequence[int]:
        """The ids that go on that frame."""
        return self._removals.get(frame, ())


def merged(clicks: Sequence[VisualPrompt]) -> VisualPrompt:
    """Several clicks on one object and one frame as one.

    It is the last box or mask, which replaces what came before it, with all points since.
    """
    whole = [row for row, click in enumerate(clicks) if click.box is not None or click.mask is not None]
    since = clicks[whole[-1] :] if whole else clicks
    pointed = [click for click in since if click.points is not None]
    if len(since) == 1 or not pointed:
        return since[0]
    points = [np.asarray(click.points, np.float64).reshape(-1, 2) for click in pointed]
    labels = [
        np.ones(len(xy), np.int64) if click.labels is None else np.asarray(click.labels, np.int64).ravel()
        for click, xy in zip(pointed, points, strict=True)
    ]
    return VisualPrompt(since[0].box, np.concatenate(points), np.concatenate(labels), since[0].mask)
