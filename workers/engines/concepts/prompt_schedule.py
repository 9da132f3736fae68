"""Which visual prompts and removals of a video fall on which of its frames."""

from collections.abc import Callable, Sequence

from workers.engines.concepts.visual_prompts import merge_prompts, parse_prompt
from workers.engines.protocols import TrackPrompts, VisualPrompt


class PromptSchedule:
    """The prompts of a video by the index of their frame; `merge` makes one of several for one object."""

    def __init__(
        self,
        prompts: TrackPrompts,
        merge: Callable[[Sequence[VisualPrompt]], VisualPrompt] = merge_prompts,
    ) -> None:
        self._merge, self._objects, self._timed = merge, prompts.objects, prompts.visual_prompts
        self._prompts: dict[int, dict[int, list[VisualPrompt]]] = {}
        for timed in prompts.visual_prompts:
            on_frame = self._prompts.setdefault(timed.frame, {})
            on_frame.setdefault(timed.id, []).append(timed.prompt)
        self._removals: dict[int, list[int]] = {}
        for removal in prompts.removals:
            self._removals.setdefault(removal.frame, []).append(removal.id)

    def validate(self, size: tuple[int, int], *, first_must_start: bool = True) -> None:
        """Raise ValueError for the first prompt that can never be answered in frames of (height, width).

        With `first_must_start`, the first prompt for an object that no phrase finds must be able to start it.
        """
        started: set[int] = set()
        for timed in self._timed:
            is_known = timed.id in started or timed.id > self._objects
            parse_prompt(timed.prompt, size, is_correction=is_known or not first_must_start)
            started.add(timed.id)

    def prompts_on(self, frame: int) -> dict[int, VisualPrompt]:
        """The prompt for each object id on a frame, several for one object merged."""
        return {number: self._merge(prompts) for number, prompts in self._prompts.get(frame, {}).items()}

    def removals_on(self, frame: int) -> Sequence[int]:
        """The ids of the objects that are removed on a frame."""
        return self._removals.get(frame, ())
