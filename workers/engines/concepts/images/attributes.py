"""Attributes of a phrase besides its class: a colour and an extreme, judged on the instances of the class."""

from collections.abc import Callable
from dataclasses import replace

from maquette.contract.vocabulary import Extreme, Query

from workers.engines.concepts.images.color_names import color_names, color_share
from workers.engines.concepts.images.config import AttributeConfig
from workers.engines.concepts.images.picodet import Detection
from workers.engines.protocols import Box, Mask, Rgb, SegmentedInstance
from workers.geometry.overlap import box_area

# sort keys of (box, area): the instance that sorts first is the extreme one
EXTREME_KEYS: dict[Extreme, Callable[[Box, float], float]] = {
    "largest": lambda _, area: -area,
    "smallest": lambda _, area: area,
    "leftmost": lambda box, _: box[0] + box[2],
    "rightmost": lambda box, _: -(box[0] + box[2]),
}


def filter_by_attributes(
    image: Rgb, instances: list[SegmentedInstance], query: Query, config: AttributeConfig
) -> list[SegmentedInstance]:
    """The instances of one phrase that have its colour, and of those only the extreme one if it asks for one.

    An instance of which too little has the colour is left out; one of which only some has it is flagged
    `color_weak`.
    """
    if query.color is not None and instances:
        names = color_names(image)
        kept = []
        for item in instances:
            share = color_share(names, item.mask, query.color)
            if share >= config.min_color_share:
                flags = item.flags if share >= config.sure_color_share else (*item.flags, "color_weak")
                kept.append(replace(item, flags=flags))
        instances = kept
    if query.extreme is not None and instances:
        key = EXTREME_KEYS[query.extreme]
        return [min(instances, key=lambda item: key(item.box, float(item.mask.sum())))]
    return instances


def has_color(image: Rgb, mask: Mask, query: Query, config: AttributeConfig) -> bool:
    """Whether a mask (H, W) of an image has the colour that a phrase asks for; True without one."""
    if query.color is None:
        return True
    return color_share(color_names(image), mask, query.color) >= config.min_color_share


def sort_by_extreme(detections: list[Detection], query: Query) -> list[Detection]:
    """Detections with the extreme one first that a phrase asks for; unchanged without one."""
    if query.extreme is None:
        return detections
    key = EXTREME_KEYS[query.extreme]
    return sorted(detections, key=lambda item: key(item.box, box_area(item.box)))
