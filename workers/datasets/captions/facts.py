"""Facts of place, count and camera motion: looked for in simple English, judged by the records."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import CameraRow, ClipRow, TrackRow
from workers.datasets.stages.measure import TrackObservation

# of the picture; a thing near the bound of a third may be told to be on either side of it
SLACK = 0.07
# of the frames: whoever goes through the picture is in several places, each for a while
A_WHILE = 0.04
PICTURE = r"(?! of (?!the (?:picture|image|frame|scene|view)))"
_AT = r"\b(?:on|at|in|near) the (?:very |far )?"
PLACES: dict[str, tuple[re.Pattern[str], Callable[[float, float], bool]]] = {
    "left": (
        re.compile(rf"{_AT}(?:(?:upper|lower|top|bottom)[ -])?left\b{PICTURE}"),
        lambda x, y: x < 1 / 3 + SLACK,
    ),
    "right": (
        re.compile(rf"{_AT}(?:(?:upper|lower|top|bottom)[ -])?right\b{PICTURE}"),
        lambda x, y: x > 2 / 3 - SLACK,
    ),
    "middle": (
        re.compile(rf"{_AT}(?:middle|center|centre)\b{PICTURE}"),
        lambda x, y: abs(x - 0.5) < 1 / 6 + SLACK,
    ),
    "top": (re.compile(rf"{_AT}(?:top|upper)\b{PICTURE}"), lambda x, y: y < 0.5),
    "bottom": (re.compile(rf"{_AT}(?:bottom|lower)\b{PICTURE}"), lambda x, y: y > 0.5),
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# degrees, and metres or units of the world: what turns and goes less stands still
TURNS, GOES = 2.0, 0.05
STILL = re.compile(
    r"\bcamera (?:stands|stays|is|remains|holds) (?:still|static|fixed|stationary|in place)\b"
    r"|\bcamera (?:does not|doesn't) move\b|\b(?:static|fixed|still|stationary) (?:camera|shot)\b"
)
GOING = re.compile(
    r"\bcamera (?:is |slowly |quickly )*"
    r"(mov|pan|tilt|turn|rotat|doll|travel|orbit|circl|track|push|pull)(?:s|es|ies|ing|ning|yes)?\b([^.;,]*)"
)
TOWARD: dict[str, tuple[re.Pattern[str], int, int]] = {
    # axis and sign in OpenCV camera axes
    "right": (re.compile(r"\bright\b"), 0, 1),
    "left": (re.compile(r"\bleft\b"), 0, -1),
    "up": (re.compile(r"\bup(?:ward|wards)?\b"), 1, -1),
    "down": (re.compile(r"\bdown(?:ward|wards)?\b"), 1, 1),
    "forward": (re.compile(r"\b(?:forward|forwards|in|closer)\b"), 2, 1),
    "back": (re.compile(r"\b(?:back|backward|backwards|away|out)\b"), 2, -1),
}


def check_place(text: str, clip: ClipRow, track: TrackRow, seen: Sequence[TrackObservation]) -> bool | None:
    """Whether the thing is for a while in each place that is told, but for frames the words come from."""
    told = [holds for word, holds in PLACES.values() if word.search(text)]
    others = [item for item in seen[1:] if item.frame != track.reference_frame]
    if not told or not others:
        return None
    middles = [
        ((item.box[0] + item.box[2]) / 2 / clip.width, (item.box[1] + item.box[3]) / 2 / clip.height)
        for item in others
    ]
    return all(sum(holds(x, y) for x, y in middles) >= A_WHILE * len(middles) for holds in told)


def remove_places(text: str) -> str:
    """The words that are left when those of places are gone: no motion to the left is on the left."""
    for word, _ in PLACES.values():
        text = word.sub(" ", text)
    return text


def check_count(
    text: str, names: Sequence[str], tracks: Sequence[TrackRow], shown: Sequence[int]
) -> bool | None:
    """Whether the number that is told of a kind of things can be true.

    `tracks` are all of that kind, rejected ones too, and `shown` how many kept ones each frame shows: there
    are no fewer than are seen at once, and no more than there are tracks. A plural alone means two.
    """
    for name in names:
        noun = re.escape(name)
        told = re.search(rf"\b({'|'.join(NUMBERS)}|\d+) (?:\w+ ){{0,2}}?{noun}(?:e?s)?\b", text)
        if told:
            number = told[1]
            wanted = int(number) if number.isdigit() else NUMBERS.index(number)
            return max(shown, default=0) <= wanted <= len(tracks)
    plurals = {f"{name}{end}" for name in names for end in ("s", "es")} | {"people"} & set(names)
    if any(re.search(rf"\b{re.escape(plural)}\b", text) for plural in plurals):
        return len(tracks) >= 2
    return None


def check_camera_motion(text: str, cameras: Sequence[CameraRow], scale: str | None) -> bool | None:
    """Whether the camera stands still or moves as it is told, by its poses; None where they are unknown."""
    still, going = STILL.search(text), GOING.search(text)
    poses = [np.reshape(row.world_from_cam, (4, 4)) for row in cameras if row.world_from_cam is not None]
    if bool(still) == bool(going) or len(poses) < max(2, len(cameras) // 2):
        return None
    inside = len(poses) // 8
    first = np.linalg.inv(poses[inside])
    steps = [np.asarray(first @ pose, np.float64) for pose in poses[inside : len(poses) - inside]]
    # a world of unknown scale says nothing of how far, only whether at all
    goes = GOES if scale == "metric" else 1e-6
    turned = max(_degrees(step) for step in steps)
    gone = max(float(np.linalg.norm(step[:3, 3])) for step in steps)
    if still:
        return turned < 2 * TURNS and gone < 2 * goes
    assert going is not None
    if turned < TURNS / 2 and gone < goes / 2:
        return False
    ways = [(axis, sign) for word, axis, sign in TOWARD.values() if word.search(going[2])]
    turns = going[1] in ("pan", "tilt", "turn", "rotat")
    return all(_toward(steps[-1], axis, sign, turns=turns) for axis, sign in ways)


def _toward(step: NDArray[np.float64], axis: int, sign: int, *, turns: bool) -> bool:
    if turns:
        # where the camera looks in the end, in the axes of the beginning
        ahead = step[:3, 2]
        return axis < 2 and sign * float(np.degrees(np.arctan2(ahead[axis], ahead[2]))) >= TURNS / 2
    gone = step[:3, 3]
    return sign * float(gone[axis]) >= 0.3 * float(np.linalg.norm(gone))


def _degrees(step: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1))))
