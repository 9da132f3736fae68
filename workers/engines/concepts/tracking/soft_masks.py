"""Masks whose edges have sub-pixel positions."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask

# a mask whose edge has sub-pixel position: 0 outside, 255 inside, 127.5 on the edge
SoftMask = NDArray[np.uint8]


def threshold_mask(soft: SoftMask) -> Mask:
    """The pixels of a soft mask inside its edge."""
    return np.asarray(soft > 127, dtype=np.bool_)
