"""Facts of place and count: searched in simple English, checked against the records."""

import re
from collections.abc import Callable, Sequence

from workers.datasets.observations import TrackObservation
from workers.datasets.schema import ClipRow, TrackRow

# of the frame's width: an object near the bound of a third may be said to be on either side. Chosen, not
# measured
SLACK = 0.07
# of the frames: whoever crosses the image is in several places, each for a while. Chosen, not measured
A_WHILE = 0.04
IN_IMAGE = r"(?! of (?!the (?:picture|image|frame|scene|view)))"
_AT = r"\b(?:on|at|in|near) the (?:very |far )?"
# word pattern, and whether a middle at shares (x, y) of the frame is there
PLACES: dict[str, tuple[re.Pattern[str], Callable[[float, float], bool]]] = {
    "left": (
        re.compile(rf"{_AT}(?:(?:upper|lower|top|bottom)[ -])?left\b{IN_IMAGE}"),
        lambda x, y: x < 1 / 3 + SLACK,
    ),
    "right": (
        re.compile(rf"{_AT}(?:(?:upper|lower|top|bottom)[ -])?right\b{IN_IMAGE}"),
        lambda x, y: x > 2 / 3 - SLACK,
    ),
    "middle": (
        re.compile(rf"{_AT}(?:middle|center|centre)\b{IN_IMAGE}"),
        lambda x, y: abs(x - 0.5) < 1 / 6 + SLACK,
    ),
    "top": (re.compile(rf"{_AT}(?:top|upper)\b{IN_IMAGE}"), lambda x, y: y < 0.5),
    "bottom": (re.compile(rf"{_AT}(?:bottom|lower)\b{IN_IMAGE}"), lambda x, y: y > 0.5),
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def check_place(
    text: str, clip: ClipRow, track: TrackRow, observations: Sequence[TrackObservation]
) -> bool | None:
    """Whether the object is for a while in each place that is stated; None where nothing can be checked.

    The first frame and the reference frame do not count: captions are made from them.
    """
    stated = [is_there for word, is_there in PLACES.values() if word.search(text)]
    others = [item for item in observations[1:] if item.frame != track.reference_frame]
    if not stated or not others:
        return None
    middles = [
        ((item.box[0] + item.box[2]) / 2 / clip.width, (item.box[1] + item.box[3]) / 2 / clip.height)
        for item in others
    ]
    return all(sum(is_there(x, y) for x, y in middles) >= A_WHILE * len(middles) for is_there in stated)


def remove_places(text: str) -> str:
    """The text without words of places: "on the left" is no motion to the left."""
    for word, _ in PLACES.values():
        text = word.sub(" ", text)
    return text


def check_count(
    text: str, names: Sequence[str], tracks: Sequence[TrackRow], shown: Sequence[int]
) -> bool | None:
    """Whether the stated number of objects of a class can be true; None where none is stated.

    `names` are words for the class, `tracks` all of its tracks, rejected ones too, and `shown` how many
    kept ones each frame shows: there are no fewer than are seen at once, and no more than there are tracks.
    A plural
    without a number means two or more.
    """
    for name in names:
        noun = re.escape(name)
        stated = re.search(rf"\b({'|'.join(NUMBERS)}|\d+) (?:\w+ ){{0,2}}?{noun}(?:e?s)?\b", text)
        if stated:
            number = stated[1]
            count = int(number) if number.isdigit() else NUMBERS.index(number)
            return max(shown, default=0) <= count <= len(tracks)
    plurals = {f"{name}{end}" for name in names for end in ("s", "es")} | {"people"} & set(names)
    if any(re.search(rf"\b{re.escape(plural)}\b", text) for plural in plurals):
        return len(tracks) >= 2
    return None
