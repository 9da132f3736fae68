"""When it is certain whom a track shows.

Two things make an identity doubtful. The engine may state so: its `margin` is near 0 while detections and
tracks compete for one place. Or another track of the concept is in contact: where one object covers another,
masks and detections pass from one to the other, also while margins are high.
"""

from workers.engines.protocols import Box
from workers.geometry.overlap import box_cover

# margin (IoU) from which an identity is certain. Steady people of a crowd have 0.6 to 0.9, before a switch of
# ids 0.05 and less; set on the first 20 s of a yard with nine people (docs/benchmarks/datasets.md)
CERTAIN = 0.15
# share of the smaller box under the other from which two tracks are in contact. In the same yard 0.2 to 0.4
# give the same tracks at 6 frames per second, and 0.1 more mixed ones
CONTACT = 0.3
# seconds that a stretch of certainty lasts at least, to say how its object appears: the yard's tracks are the
# same from 0.45 to 0.6 but for more frames; with 0.3 two dancers are taken for one
LEAST_STRETCH = 0.45
# seconds: a gap up to this long counts as flicker, and a longer one as a loss: 3 frames of 24 per second
SHORT_GAP = 0.125
# seconds: rounding of times
ROUNDING = 1e-6


def are_in_contact(one: Box, other: Box) -> bool:
    """Whether two boxes of a concept cover each other so far that masks may pass from one to the other."""
    return box_cover(one, other) >= CONTACT
