"""Frame rates as exact fractions: rates that differ by rounding alone are the same."""

from fractions import Fraction

# broadcast rates, a thousandth below whole numbers; files and people round them to two or three digits
NTSC = tuple(Fraction(1000 * whole, 1001) for whole in (24, 30, 48, 60, 120, 240))
# share by which a rounded rate may differ from the exact one: 23.98 is off by 1.7e-4, and 30 differs from
# 29.97 by 1e-3
ROUNDED = 2e-4
# denominators of other rates, as a third of 29.97 has
MOST_DENOMINATOR = 3003
# frames per second that a stream can have; headers without a rate state 0 or the ticks of their clock
PLAUSIBLE = (0.1, 1000.0)


def to_rational_rate(frame_rate: float | Fraction) -> Fraction:
    """The exact rate of a rounded one: 29.97 is 30000/1001, 12.5 is 25/2."""
    for ntsc in NTSC:
        if is_same_rate(ntsc, frame_rate, ROUNDED):
            return ntsc
    return Fraction(frame_rate).limit_denominator(MOST_DENOMINATOR)


def is_same_rate(one: float | Fraction, other: float | Fraction, tolerance: float) -> bool:
    """Whether two rates differ by at most a share of `tolerance`."""
    return abs(float(one) - float(other)) <= tolerance * float(one)


def parse_stated_rate(stated: float | None) -> Fraction | None:
    """The rate that a container states; None where it states none, or one that no video has."""
    if stated is None or not PLAUSIBLE[0] <= stated <= PLAUSIBLE[1]:
        return None
    return to_rational_rate(stated)


def recognise_rate(measured: float, tolerance: float, stated: Fraction | None) -> Fraction:
    """The exact rate behind a measured one: the stated, a whole or a broadcast one within `tolerance`."""
    if stated is not None and is_same_rate(stated, measured, tolerance):
        return stated
    candidates = [rate for rate in (Fraction(round(measured)), *NTSC) if rate > 0]
    best = min(candidates, key=lambda rate: abs(float(rate) - measured))
    return best if is_same_rate(best, measured, tolerance) else to_rational_rate(measured)
