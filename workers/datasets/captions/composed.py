"""Captions composed from what was measured: name, colour, size, place and motion. They claim nothing else."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from maquette.contract.vocabulary import COLORS
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.appearance.crops import MARGIN, Crop
from workers.datasets.schema import CaptionRow, ClipRow, TrackRow
from workers.datasets.stages.measure import TrackObservation
from workers.engines.concepts.images.color_names import color_names

ENGINE = "composed/2"
PLAIN_SHARE = 0.35
LARGE, SMALL = 0.15, 0.01
PEOPLE = frozenset({"person", "people", "man", "woman", "boy", "girl", "child", "human", "face", "hand"})
# of the frame's width: what moves less stays in place
MOVES = 0.08


def compose_captions(
    clip: ClipRow,
    tracks: Sequence[TrackRow],
    seen: Mapping[int, Sequence[TrackObservation]],
    crops: Mapping[int, Sequence[Crop]],
) -> list[CaptionRow]:
    """A caption for the clip and one for each kept track; nothing has judged them yet."""
    kept = [track for track in tracks if track.kept]
    rows = [
        CaptionRow(
            clip=clip.clip,
            track=None,
            kind="composed",
            text=_describe_clip(clip, kept),
            engine=ENGINE,
            score=None,
            kept=None,
        )
    ]
    for track in kept:
        text = _describe_track(clip, track, seen[track.track], crops.get(track.track, ()))
        rows.append(
            CaptionRow(
                clip=clip.clip,
                track=track.track,
                kind="composed",
                text=text,
                engine=ENGINE,
                score=None,
                kept=None,
            )
        )
    return rows


def _describe_clip(clip: ClipRow, kept: Sequence[TrackRow]) -> str:
    counts = Counter(_name(track) for track in kept)
    things = [f"{_number(count)} {_plural(name, count)}" for name, count in sorted(counts.items())]
    what = _listed(things) if things else "none of the things that were asked for"
    camera = {
        "given": "the camera's path is known",
        "colmap": "the camera moves",
        "static": "the camera stands still",
    }.get(clip.camera_source)
    seconds = clip.end_seconds - clip.start_seconds
    text = f"A clip of {seconds:.1f} seconds that shows {what}"
    return f"{text}; {camera}." if camera else f"{text}."


def _describe_track(
    clip: ClipRow, track: TrackRow, seen: Sequence[TrackObservation], crops: Sequence[Crop]
) -> str:
    share = track.mean_area / (clip.width * clip.height)
    size = "large " if share > LARGE else "small " if share < SMALL else ""
    # the colour of a person's skin or clothes is not said
    color = _color(crops[0]) if crops and _name(track) not in PEOPLE else None
    words = f"{size}{color + ' ' if color else ''}{_name(track)}"
    article = "An" if words[0] in "aeiou" else "A"
    first, last = seen[0].box, seen[-1].box
    x = (first[0] + first[2]) / 2 / clip.width
    moved = (last[0] + last[2]) / 2 / clip.width - x
    fell = ((last[1] + last[3]) - (first[1] + first[3])) / 2 / clip.height
    place = "on the left" if x < 1 / 3 else "on the right" if x > 2 / 3 else "in the middle"
    if max(abs(moved), abs(fell)) < MOVES:
        return f"{article} {words} {place} that stays in its place in the picture."
    ways = [
        way
        for value, way in (
            (moved, "to the right" if moved > 0 else "to the left"),
            (fell, "down" if fell > 0 else "up"),
        )
        if abs(value) >= MOVES
    ]
    return f"{article} {words} {place} that moves {' and '.join(ways)} in the picture."


def name_inner_colors(crop: Crop) -> NDArray[np.uint8]:
    """Indices in COLORS of the pixels in the middle of a crop, (h, w); may be empty."""
    with Image.open(io.BytesIO(crop.jpeg)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    side = pixels.shape[0]
    edge = round(side * (MARGIN + 0.15) / (1 + 2 * MARGIN))
    middle = pixels[edge : side - edge, edge : side - edge]
    inner = cv2.blur(middle, (3, 3)) if middle.size else middle
    return color_names(inner) if inner.size else np.empty((0, 0), np.uint8)


def _color(crop: Crop) -> str | None:
    """The one colour that most of the middle of a crop has, or None."""
    colors = name_inner_colors(crop)
    if colors.size == 0:
        return None
    counts = np.bincount(colors.ravel(), minlength=len(COLORS))
    best = int(counts.argmax())
    return COLORS[best] if counts[best] >= PLAIN_SHARE * counts.sum() else None


def _name(track: TrackRow) -> str:
    return track.label or track.concept or "object"


def _plural(name: str, count: int) -> str:
    if count == 1:
        return name
    if name == "person":
        return "people"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def _number(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else str(count)


def _listed(things: Sequence[str]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
