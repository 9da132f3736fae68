"""What the default tracker remembers of who is who: a summary of place, motion and appearance per object.

A strand is a chain of masks that the tracker moves from frame to frame; its number never changes, while the
id that it bears does when it turns out to show another object. Times are seconds of the tracker's own clock.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.identity.half_histograms import HalfHistograms
from workers.engines.concepts.identity.link_odds import End, Moment
from workers.engines.concepts.tracking.soft_masks import SoftMask

Shares = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Stretch:
    """A time for which it is certain that a strand shows one object.

    `colors` is the sum of the halves' colours over `pixels`. `opening` and `recent` are its moments in the
    first and the last second. `is_settled` says that it is known with whom it goes on.
    """

    opening: list[Moment]
    recent: list[Moment]
    colors: Shares
    pixels: int
    is_settled: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.recent[-1].time - self.opening[0].time

    @property
    def look(self) -> Shares:
        """The mean colours of the halves, sum 1."""
        return self.colors / max(1, self.pixels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ending:
    """The end of the latest stretch of the object `id`, and its mean colours then."""

    id: int
    prompt: int
    end: End
    look: Shares


@dataclass(slots=True, kw_only=True)
class Strand:
    """A strand in sight or lost: the index of its prompt, and when it was seen last.

    `is_certain` is what its last comparison with detections said. `halves` are its colours, measured at
    `measured_at`. `since` is when the doubt began that is not settled yet, None where there is none, and
    `before` the end of the stretch before it.
    """

    prompt: int
    seen_at: float
    measured_at: float
    halves: HalfHistograms
    is_certain: bool = True
    since: float | None = None
    stretch: Stretch | None = None
    before: Ending | None = None


@dataclass(slots=True, kw_only=True)
class IdentityState:
    """All strands by number, and the endings that nobody has been found to go on with.

    `clock` is the time of the last frame in seconds since the first, `time` that in the video; None before
    the first frame and where frames have no times. `interval` is the time between the last two frames.
    """

    clock: float = 0.0
    time: float | None = None
    interval: float = 0.0
    strands: dict[int, Strand] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class HeldObject:
    """An object in a frame whose results wait; its id may still change, its masks do not.

    `soft` is its mask u8 (h, w) in working pixels, or, packed, the compressed part of it in `extent`
    (x0, y0, x1, y1). `halves` are its colours, None for an object that keeps its id. `is_doubtful` says that
    it was in doubt, `is_uncertain` that it may have changed places with a look-alike, `is_settled` that its
    id is known.
    """

    strand: int
    id: int
    prompt: int
    label: str | None
    score: float
    flags: tuple[str, ...]
    margin: float | None
    merged: float | None
    halves: HalfHistograms | None
    is_doubtful: bool
    is_uncertain: bool
    is_settled: bool
    soft: SoftMask | None = None
    extent: tuple[int, int, int, int] = (0, 0, 0, 0)
    packed: bytes = b""


@dataclass(slots=True, kw_only=True, eq=False)
class HeldFrame:
    """A frame whose results wait: `clock` is its time, `removed` how many ids the user had removed by then.

    `shape` is (h, w) in working pixels.
    """

    index: int
    pts: int
    clock: float
    removed: int
    shape: tuple[int, int]
    objects: list[HeldObject]
