"""Whether an id goes on with another object: by where it is, how it appears, and whom it met.

Three kinds show. An appearance that changes from one moment to the next, with a gap or without one. A meeting
with another track after which the id appears, or moves, as the other did before. Two tracks that have
exchanged their appearances for good. All windows are seconds: the answer does not depend on the frame rate.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from workers.datasets.gates.track_path import TrackPath, count_entries
from workers.engines.concepts.images.color_histograms import histogram_similarity
from workers.geometry.overlap import box_cover

# seconds before and after a moment that are compared, and the least that a window has to span; chosen
WINDOW, LEAST_WINDOW = 0.5, 0.15
# observations that a window needs at least: one may be a sliver
LEAST_OBSERVATIONS = 2
# similarity of appearance (0..1) below which a sudden change is another object, and by how much less similar
# the two sides are than each is in itself. Rendered and real tracks without a switch stay above 0.8 and
# below 0.15, exchanged balls of other colours below 0.3 (docs/benchmarks/datasets.md)
OTHER_OBJECT, SUDDEN = 0.6, 0.3
# share of the smaller box under the other from which two tracks meet; chosen
MEETING = 0.05
# seconds of a meeting, and after it, for which a straight line says where someone goes; chosen
LONGEST_MEETING, LONGEST_COURSE = 1.0, 1.0
# share of the smaller box under the other with which one of two tracks ends in a merge; chosen
MERGED = 0.5
# by how much (of similarities, 0..1) the other's appearance explains a track better than its own
TAKEN = 0.175
# similarities that differ by less do not distinguish two objects
ALIKE = 0.1
# sizes by which a track is off its own course, and the share of that by which it may be off the other's
OFF_COURSE, ON_OTHERS_COURSE = 1.0, 0.5
# by how much (of two similarities, 0..2) swapped identities have to explain two tracks better; chosen
SWAP_MARGIN = 0.35


def find_identity_switches(track: int, paths: Mapping[int, TrackPath]) -> list[float]:
    """The moments (seconds) from which a track seems to go on with another object, in no order.

    `paths` are those of all tracks.
    """
    own = paths[track]
    others = [
        path for number, path in paths.items() if number != track and path.stats.prompt == own.stats.prompt
    ]
    jumps = [float(own.times[frame]) for frame in own.stats.switches]
    takeovers = [
        span[1] for other in others for span in _meet(own, other) if _has_taken_over(own, other, *span)
    ]
    moments = [_find_sudden_change(own), *(_find_swap(own, other) for other in others)]
    return [*jumps, *takeovers, *(moment for moment in moments if moment is not None)]


def find_merge(track: int, paths: Mapping[int, TrackPath]) -> float | None:
    """The moment (seconds) at which a track ends under another one of its concept, well before the clip does.

    The other may have gone on with both objects. None where it does not.
    """
    own = paths[track]
    last = own.stats.frames[-1]
    if own.times[-1] - own.times[last] < WINDOW:
        return None
    for number, other in paths.items():
        box, mine = other.box_at(last), own.stats.boxes[-1]
        is_same = number != track and other.stats.prompt == own.stats.prompt
        if is_same and box is not None and box_cover(mine, box) >= MERGED:
            return float(own.times[last])
    return None


def find_breaks(path: TrackPath) -> list[float]:
    """The moments (seconds) at which a track begins or ends inside the image while the clip goes on.

    Its object was behind something, or has another id there. One that the border of the image cuts within
    WINDOW came or left.
    """
    out = []
    for moment, edge in ((path.seconds[0], path.times[0]), (path.seconds[-1], path.times[-1])):
        near = path.window(moment - WINDOW, moment + WINDOW)
        if abs(moment - edge) >= WINDOW and not any(path.stats.contacts[near]):
            out.append(float(moment))
    return out


def _find_sudden_change(path: TrackPath) -> float | None:
    """The first moment on whose two sides the appearance differs, and is steady on either side."""
    for index in range(LEAST_OBSERVATIONS, len(path.seconds) - LEAST_OBSERVATIONS + 1):
        moment = float(path.seconds[index])
        old = path.window_before(moment, WINDOW)
        new = slice(index, path.window(moment, moment + WINDOW).stop)
        if not (_is_enough(path, old) and _is_enough(path, new)):
            continue
        stayed = histogram_similarity(path.average_appearance(old), path.average_appearance(new))
        if stayed <= OTHER_OBJECT and min(_get_steadiness(path, old), _get_steadiness(path, new)) >= (
            stayed + SUDDEN
        ):
            return moment
    return None


def _is_enough(path: TrackPath, window: slice) -> bool:
    if count_entries(window) < LEAST_OBSERVATIONS:
        return False
    return float(path.seconds[window.stop - 1] - path.seconds[window.start]) >= LEAST_WINDOW - 1e-9


def _get_steadiness(path: TrackPath, window: slice) -> float:
    """How similar the two halves of a window are."""
    middle = (window.start + window.stop) // 2
    halves = slice(window.start, middle), slice(middle, window.stop)
    return histogram_similarity(*(path.average_appearance(half) for half in halves))


def _meet(own: TrackPath, other: TrackPath) -> Iterator[tuple[float, float]]:
    """The first and last second of each time for which two tracks lie over each other."""
    begin = end = None
    for frame in sorted({*own.stats.frames} & {*other.stats.frames}):
        one, two = own.box_at(frame), other.box_at(frame)
        assert one is not None and two is not None
        if box_cover(one, two) < MEETING:
            continue
        seconds = own.times[frame]
        if begin is not None and end is not None and seconds - end > WINDOW:
            yield begin, end
            begin = None
        begin, end = seconds if begin is None else begin, seconds
    if begin is not None and end is not None:
        yield begin, end


def _has_taken_over(own: TrackPath, other: TrackPath, begin: float, end: float) -> bool:
    """Whether after a meeting a track appears as the other did before, or goes where the other was going."""
    old, new = own.window_before(begin, WINDOW), own.window(end + 1e-9, end + WINDOW)
    others = other.window_before(begin, WINDOW)
    windows = (own, old), (own, new), (other, others)
    if not all(_is_enough(path, window) for path, window in windows):
        return False
    now = own.average_appearance(new)
    # a mask that leaks just before a meeting does not make its object another one: any earlier time counts
    stayed = max(
        histogram_similarity(own.average_appearance(window), now) for window in _list_windows(own, begin)
    )
    taken = histogram_similarity(other.average_appearance(others), now)
    if taken - stayed >= TAKEN:
        return True
    if taken < stayed - ALIKE or end - begin > LONGEST_MEETING:
        return False
    # side by side both courses are near: they part with time
    late = own.window(end + 1e-9, end + LONGEST_COURSE)
    late = slice(max(late.start, late.stop - LEAST_OBSERVATIONS), late.stop)
    moment, place = float(own.seconds[late].mean()), own.centers[late].mean(axis=0)
    own_course, others_course = own.predict(old, moment), other.predict(others, moment)
    off_own, off_other = (float(np.linalg.norm(place - course)) for course in (own_course, others_course))
    return off_own > OFF_COURSE * own.size and off_other < ON_OTHERS_COURSE * off_own


def _list_windows(path: TrackPath, moment: float) -> Iterator[slice]:
    """The windows of a track before a moment, the last one first."""
    window = path.window_before(moment, WINDOW)
    while _is_enough(path, window):
        yield window
        window = path.window_before(float(path.seconds[window.start]), WINDOW)


def _find_swap(one: TrackPath, other: TrackPath) -> float | None:
    """The moment from which each explains the other's appearance best, and better than its own."""
    best, found = SWAP_MARGIN, None
    moments = np.union1d(one.seconds, other.seconds)
    for moment in moments:
        sides = []
        for path in (one, other):
            cut = int(np.searchsorted(path.seconds, moment))
            sides.append((slice(0, cut), slice(cut, len(path.seconds))))
        if not all(
            _is_enough(path, window)
            for path, windows in zip((one, other), sides, strict=True)
            for window in windows
        ):
            continue
        (a_old, a_new), (b_old, b_new) = (
            tuple(path.average_appearance(window) for window in windows)
            for path, windows in zip((one, other), sides, strict=True)
        )
        stayed = histogram_similarity(a_old, a_new) + histogram_similarity(b_old, b_new)
        crossed = histogram_similarity(a_old, b_new) + histogram_similarity(b_old, a_new)
        if crossed - stayed > best:
            best, found = crossed - stayed, float(moment)
    return found
