"""How likely one stretch of a track goes on with the object of another, by appearance, motion and absence.

Model: the natural logarithm of the ratio of two likelihoods, that of one object to that of two, as in the
minimum-cost flow of Zhang et al. 2008. Velocities forget themselves with time, so that the place to expect
after a gap, and its uncertainty, are those of an Ornstein-Uhlenbeck process. All lengths are diagonals of the
object's box and all times seconds: the answer depends on neither the frame rate nor the size of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box

# mean and deviation of ln(1 - similarity) of one object and of two, from stretches of a second that are 1 to
# 5 s apart: the same is -2.5 to -2.9 in the first 20 s of a yard and a bedroom, a tenth of it far out where
# something covers the object; two have -0.9 to -1.2 there and among dancers (docs/benchmarks/datasets.md)
SAME, OTHER = (-2.9, 0.6), (-1.0, 0.55)
# keeps the logarithm finite where two stretches are equal
EQUAL = 1e-3
# share of the pairs of two objects that look like one: in the yard 1% are alike by 0.91 or more; and of the
# pairs of one that look like two; chosen
ALIKE, UNLIKE = 0.01, 0.02
# deviation of a person's velocity along each axis, diagonals per second, and the seconds after which it has
# forgotten itself: in the yard 0.40, and its correlation is 0.72 after 2 s and 0.55 after 3 s
SPEED, PERSISTENCE = 0.4, 4.0
# error of a velocity along each axis, diagonals per second; chosen
COURSE_ERROR = 0.15
# error of a place and its prediction, in diagonals; chosen: masks of people who are half covered are shorter
PLACE = 0.25
# area in which another object may appear as well, in squared diagonals; the yard has 30
AREA = 30.0
# odds against an object that comes back after some seconds: they grow by e in this time; and the longest
# absence that is considered; chosen, on the yard 3 to 4 s and 6 s or more give the same tracks
FORGOTTEN, LONGEST_ABSENCE = 4.0, 10.0
# what the id of the engine counts where it goes on: after a contact or a doubt 13 of 28 were right
OWN = 0.5
# what an end on the border of the image counts against a link: none of 7 people who came or left there in
# the yard had been there before or came back
BORDER = -2.0
# seconds from which a velocity is taken, and the observations that it takes at least
COURSE, LEAST_OBSERVATIONS = 1.0, 3

Vector = NDArray[np.float64]


class Moment(NamedTuple):
    """An object in one frame: seconds, the centre and the diagonal of its box (pixels).

    `on_border` is whether the border of the image cuts it.
    """

    time: float
    x: float
    y: float
    size: float
    on_border: bool

    @classmethod
    def of_box(cls, time: float, box: Box, on_border: bool) -> "Moment":
        """An object in a box (xyxy, pixels) at a time in seconds."""
        x0, y0, x1, y1 = (float(value) for value in box)
        return cls(time, (x0 + x1) / 2, (y0 + y1) / 2, float(np.hypot(x1 - x0, y1 - y0)), bool(on_border))


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """The first or last moment of a stretch: seconds, centre (pixels) and velocity (pixels per second).

    `size` is the diagonal of its box (pixels, median near the end), `on_border` whether the image cuts it.
    """

    time: float
    center: Vector
    velocity: Vector
    size: float
    on_border: bool


def describe_end(moments: Sequence[Moment], *, last: bool) -> End:
    """The last or the first of some moments in order of time, with what the second beside it says."""
    end = moments[-1] if last else moments[0]
    near = [item for item in moments if abs(item.time - end.time) <= COURSE]
    velocity = np.zeros(2)
    if len(near) >= LEAST_OBSERVATIONS:
        seconds = np.array([item.time - end.time for item in near])
        centers = np.array([(item.x, item.y) for item in near])
        velocity = np.polynomial.polynomial.polyfit(seconds, centers, 1)[1]
    return End(
        time=end.time,
        center=np.array([end.x, end.y]),
        velocity=velocity,
        size=float(np.median([item.size for item in near])),
        on_border=end.on_border,
    )


def measure_odds(before: End, after: End, similarity: float, *, is_own: bool) -> float | None:
    """The logarithm of the odds that a stretch which begins with `after` shows the object of an earlier one.

    `before` is the end of the earlier one, `similarity` (0..1) that of their colours, `is_own` whether the
    engine went on from one to the other. None where they overlap in time or are too far apart.
    """
    absence = after.time - before.time
    if not 0 < absence <= LONGEST_ABSENCE:
        return None
    return (
        compare_appearance(similarity)
        + compare_motion(before, after)
        - absence / FORGOTTEN
        + OWN * is_own
        + BORDER * (before.on_border + after.on_border)
    )


def compare_appearance(similarity: float) -> float:
    """The logarithm of the odds by the similarity (0..1) of two appearances; it never falls with it."""
    # beyond the means neither likelihood says more: the tails of two Gaussians of different width cross
    x = np.clip(np.log(1 - min(similarity, 1.0) + EQUAL), SAME[0], OTHER[0])
    same, other = (_log_density(np.array([x - mean]), deviation**2) for mean, deviation in (SAME, OTHER))
    return float(
        np.logaddexp(np.log(1 - UNLIKE) + same, np.log(UNLIKE) + other)
        - np.logaddexp(np.log(1 - ALIKE) + other, np.log(ALIKE) + same)
    )


def compare_motion(before: End, after: End) -> float:
    """The logarithm of the odds by where an object is before and after a gap, and how it moves.

    The velocity after the gap is compared with that before it, and the way with what both velocities imply:
    mean and variance are those of an integrated Ornstein-Uhlenbeck process between its two ends.
    """
    size, absence = (before.size + after.size) / 2, after.time - before.time
    old, new = before.velocity / size, after.velocity / size
    kept, middle = np.exp(-absence / PERSISTENCE), np.tanh(absence / PERSISTENCE / 2)
    spread = SPEED**2 * (1 - kept**2) + COURSE_ERROR**2 * (1 + kept**2)
    turn = _log_density(new - kept * old, spread) - _log_density(new, SPEED**2 + COURSE_ERROR**2)
    off = (after.center - before.center) / size - (old + new) * PERSISTENCE * middle
    reach = PLACE**2 + 2 * (SPEED * PERSISTENCE) ** 2 * (absence / PERSISTENCE - 2 * middle)
    return turn + _log_density(off, reach) + float(np.log(AREA))


def _log_density(off: Vector, variance: float) -> float:
    """That of a round Gaussian at a vector from its mean."""
    return float(-np.log((2 * np.pi * variance) ** (len(off) / 2)) - off @ off / (2 * variance))
