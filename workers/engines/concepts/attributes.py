"""What a phrase says beyond the class: colour and extreme, judged on the instances that were found."""

from collections.abc import Callable
from dataclasses import replace

from maquette.contract.vocabulary import Extreme, Query

from workers.engines.concepts.colours import ENOUGH, SURE, color_names, color_share
from workers.engines.concepts.picodet import Detection
from workers.engines.protocols import Box, Mask, Rgb, SegmentedInstance

# the first in this order of (box, area) is the extreme one
RANK: dict[Extreme, Callable[[Box, float], float]] = {
    "largest": lambda _, area: -area,
    "smallest": lambda _, area: area,
    "leftmost": lambda box, _: box[0] + box[2],
    "rightmost": lambda box, _: -(box[0] + box[2]),
}


def choose(image: Rgb, found: list[SegmentedInstance], query: Query) -> list[SegmentedInstance]:
    """The instances of one phrase that have its colour, and of those the extreme one.

    A colour that covers less than 45% of an instance flags it `color_weak`; below 25% it is left out.
    """
    if query.color is not None and found:
        names = color_names(image)
        kept = []
        for item in found:
            share = color_share(names, item.mask, query.color)
            if share >= ENOUGH:
                flags = item.flags if share >= SURE else (*item.flags, "color_weak")
                kept.append(replace(item, flags=flags))
        found = kept
    if query.extreme is not None and found:
        rank = RANK[query.extreme]
        return [min(found, key=lambda item: rank(item.box, float(item.mask.sum())))]
    return found


def has_color(image: Rgb, mask: Mask, query: Query) -> bool:
    """Whether a mask (H, W) of an image has the colour that a phrase asks for, if any."""
    return query.color is None or color_share(color_names(image), mask, query.color) >= ENOUGH


def ordered(found: list[Detection], query: Query) -> list[Detection]:
    """Detections with the one first that a phrase's extreme asks for, if any."""
    if query.extreme is None:
        return found
    rank = RANK[query.extreme]
    return sorted(found, key=lambda item: rank(item.box, _area(item.box)))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
