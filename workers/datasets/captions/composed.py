"""Captions composed from what was measured: name, colour, size, place and motion. They claim nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from maquette.contract.vocabulary import COLORS
from numpy.typing import NDArray

from workers.datasets.appearance.crops import MARGIN, Crop
from workers.datasets.images import decode_image
from workers.datasets.observations import TrackObservation
from workers.datasets.schema import CaptionRow, ClipRow, TrackRow
from workers.engines.concepts.images.color_names import color_names

ENGINE = "composed/3"
# share of the middle of a crop that one colour has to have to be named; chosen, not measured
PLAIN_SHARE = 0.35
# of the box's side that is left out on each side to look at the object and not at what is around it; chosen
INNER_MARGIN = 0.15
# shares of the frame's area above and below which an object is called large or small; chosen, not measured
LARGE, SMALL = 0.15, 0.01
# of the frame's width or height: an object that moves less stays in its place; chosen, not measured
MOVES = 0.08
# the colour of a person's skin or clothes is not named
PEOPLE = frozenset({"person", "people", "man", "woman", "boy", "girl", "child", "human", "face", "hand"})
CAMERA = {
    "given": "the camera's path is known",
    "colmap": "the camera moves",
    "static": "the camera stands still",
}


def compose_captions(
    clip: ClipRow,
    tracks: Sequence[TrackRow],
    observations: Mapping[int, Sequence[TrackObservation]],
    crops: Mapping[int, Sequence[Crop]],
    *,
    was_searched: bool,
) -> list[CaptionRow]:
    """A caption for the clip and one for each kept track, without scores.

    `was_searched` says that every frame was searched: what was not found is then not there.
    """
    kept = [track for track in tracks if track.kept]
    rows = [_build_row(clip.clip, None, _describe_clip(clip, tracks, was_searched=was_searched))]
    for track in kept:
        text = _describe_track(clip, track, observations[track.track], crops.get(track.track, ()))
        rows.append(_build_row(clip.clip, track.track, text))
    return rows


def _build_row(clip: str, track: int | None, text: str) -> CaptionRow:
    return CaptionRow(
        clip=clip, track=track, kind="composed", text=text, engine=ENGINE, score=None, kept=None
    )


def _describe_clip(clip: ClipRow, tracks: Sequence[TrackRow], *, was_searched: bool) -> str:
    seconds = clip.end_seconds - clip.start_seconds
    text = f"A clip of {seconds:.1f} seconds{_describe_contents(tracks, was_searched=was_searched)}"
    camera = CAMERA.get(clip.camera_source)
    return f"{text}; {camera}." if camera else f"{text}."


def _describe_contents(tracks: Sequence[TrackRow], *, was_searched: bool) -> str:
    """What the clip shows, and what it may show: a rejected track is no proof that a thing is absent."""
    kept = Counter(_get_name(track) for track in tracks if track.kept)
    rejected = Counter(_get_name(track) for track in tracks if not track.kept)
    shown = [
        f"{'at least ' if rejected[name] else ''}{_spell(count)} {_make_plural(name, count)}"
        for name, count in sorted(kept.items())
    ]
    possible = [_name_some(name, count) for name, count in sorted(rejected.items()) if name not in kept]
    if shown and possible:
        return f" that shows {_join(shown)} and may show {_join(possible)}"
    if shown or possible:
        return f" that shows {_join(shown)}" if shown else f" that may show {_join(possible)}"
    return " that shows none of the things that were asked for" if was_searched else ""


def _name_some(name: str, count: int) -> str:
    """A thing, or several without their number, which rejected tracks do not say."""
    if count > 1:
        return _make_plural(name, count)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _describe_track(
    clip: ClipRow, track: TrackRow, observations: Sequence[TrackObservation], crops: Sequence[Crop]
) -> str:
    share = track.mean_area / (clip.width * clip.height)
    size = "large " if share > LARGE else "small " if share < SMALL else ""
    color = _name_color(crops[0]) if crops and _get_name(track) not in PEOPLE else None
    words = f"{size}{color + ' ' if color else ''}{_get_name(track)}"
    article = "An" if words[0] in "aeiou" else "A"
    first, last = observations[0].box, observations[-1].box
    x = (first[0] + first[2]) / 2 / clip.width
    right = (last[0] + last[2]) / 2 / clip.width - x
    down = ((last[1] + last[3]) - (first[1] + first[3])) / 2 / clip.height
    place = "on the left" if x < 1 / 3 else "on the right" if x > 2 / 3 else "in the middle"
    return f"{article} {words} {place} that {_describe_motion(right, down)} in the picture."


def _describe_motion(right: float, down: float) -> str:
    """How an object moves by shares of the frame's width and height."""
    if max(abs(right), abs(down)) < MOVES:
        return "stays in its place"
    directions = []
    if abs(right) >= MOVES:
        directions.append("to the right" if right > 0 else "to the left")
    if abs(down) >= MOVES:
        directions.append("down" if down > 0 else "up")
    return f"moves {' and '.join(directions)}"


def name_inner_colors(crop: Crop) -> NDArray[np.uint8]:
    """Indices in COLORS of the pixels in the middle of a crop, (h, w); may be empty."""
    pixels = decode_image(crop.jpeg)
    side = pixels.shape[0]
    edge = round(side * (MARGIN + INNER_MARGIN) / (1 + 2 * MARGIN))
    middle = pixels[edge : side - edge, edge : side - edge]
    if not middle.size:
        return np.empty((0, 0), np.uint8)
    return color_names(cv2.blur(middle, (3, 3)))


def _name_color(crop: Crop) -> str | None:
    """The colour that most of the middle of a crop has, None without one."""
    colors = name_inner_colors(crop)
    if colors.size == 0:
        return None
    counts = np.bincount(colors.ravel(), minlength=len(COLORS))
    best = int(counts.argmax())
    return COLORS[best] if counts[best] >= PLAIN_SHARE * counts.sum() else None


def _get_name(track: TrackRow) -> str:
    return track.label or track.concept or "object"


def _make_plural(name: str, count: int) -> str:
    if count == 1:
        return name
    if name == "person":
        return "people"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def _spell(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else str(count)


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
