"""What both backends require of a request."""

from collections.abc import Sequence

from workers.engines.protocols import Box, TrackPrompts


def check_exemplars(boxes: Sequence[Box], labels: Sequence[int]) -> None:
    """Raise ValueError without boxes, or unless each box has a label of 1 or 0."""
    if not boxes or len(boxes) != len(labels) or not set(labels) <= {0, 1}:
        raise ValueError("exemplars need at least one box, and a label of 1 or 0 for each")


def check_track_prompts(prompts: TrackPrompts) -> None:
    """Raise ValueError for a video with neither phrases nor visual prompts."""
    if not prompts.phrases and not prompts.visual_prompts:
        raise ValueError("a video needs at least one phrase or visual prompt")
