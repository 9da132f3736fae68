"""Where an object probably is, before MobileSAM is asked: its carried mask, its colours, what others show."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.appearance import Bins, histogram, likelihood
from workers.engines.concepts.masks import area_of
from workers.engines.concepts.tracks import Track
from workers.engines.protocols import Mask

# how far an edge may be off, as a share of the object's size, and the odds that place and colour can give
REACH = 0.12
INSIDE, OUTSIDE, COLOUR, TAKEN = 1.5, -3.0, 2.5, -4.0
RING, FOREIGN = 0.5, 0.7
# what is missing of the usual size may lie beside what is seen
MISSING = 0.6

Belief = NDArray[np.float32]


def belief(track: Track, bins: Bins, taken: Mask) -> Belief:
    """The probability f32 (h, w) that a pixel shows the object, from log odds of place and colour.

    Near its edges the colours decide, so that a mask can grow back over what was hidden or has turned into
    sight; far away the place does. A part that was carried as hidden has no odds of place. `taken` (h, w)
    is what other objects show.
    """
    seen, whole = track.mask, track.whole | track.mask
    size = float(np.sqrt(max(area_of(whole), 1)))
    missing = float(np.sqrt(track.area)) - size
    reach = max(REACH * size, MISSING * missing, 2.0)
    inner = cv2.distanceTransform(seen.astype(np.uint8), cv2.DIST_L2, 3)
    outer = cv2.distanceTransform((~whole).astype(np.uint8), cv2.DIST_L2, 3)
    place = np.clip(inner / reach, 0, INSIDE) + np.clip(-outer / reach, OUTSIDE, 0)
    ring = (outer > 0) & (outer < RING * size) & ~taken
    # what comes into sight has the object's colours and must not count as its surroundings
    ring &= likelihood(bins, track.look, histogram(bins, ~whole & ~taken)) < FOREIGN
    own, around = track.look + 1e-5, histogram(bins, ring) + 1e-5
    colour = np.clip(np.log(own / around), -COLOUR, COLOUR)[bins]
    odds = place + cv2.blur(colour, (3, 3)) + np.where(taken & ~seen, TAKEN, 0)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def agreement(mask: Mask, probable: Belief) -> float:
    """Soft intersection over union of a mask and a belief of the same shape, 0..1."""
    inner = float(probable[mask].sum())
    # doubt far from the object must not add up against it
    outer = float(np.where(probable > 0.5, probable, 0)[~mask].sum())
    return inner / max(area_of(mask) + outer, 1e-6)
