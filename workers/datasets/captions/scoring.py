"""Whether captions hold: what they state is measured again on another frame than they were made from.

Of a track the facts are class, colour, size word, place and motion; of a clip the classes, how many of each,
and what the camera does. It reads simple English, judges nothing else, and is no vision-language model: a
caption that states none of these has no score.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from maquette.contract.vocabulary import COLORS, SYNONYMS

from workers.datasets.appearance.crops import Crop
from workers.datasets.captions import facts
from workers.datasets.captions.composed import LARGE, MOVES, SMALL, name_inner_colors
from workers.datasets.schema import CameraRow, CaptionRow, ClipRow, ScoreRow, TrackRow
from workers.datasets.stages.measure import TrackObservation
from workers.engines.concepts.images.config import AttributeConfig

GATE = "caption_alignment"
STAGE = "captions"
# confidence of a mask that counts as finding the class again
AGAIN = 0.5
# a size near the bound of its word may lie beyond it in another frame
SLACK = 1.5
LARGE_WORDS = re.compile(r"\b(large|big|huge)\b")
SMALL_WORDS = re.compile(r"\b(small|tiny|little)\b")
STAYS = re.compile(r"\b(stays|staying|stands still|standing still|motionless|stationary)\b")
MOVING = re.compile(r"\bmov(?:es|ing)\b([^.]*)")
WAYS = {
    "right": re.compile(r"\bright\b(?! of)"),
    "left": re.compile(r"\bleft\b(?! of)"),
    "down": re.compile(r"\bdown"),
    "up": re.compile(r"\bup"),
}


def score_captions(
    rows: Sequence[CaptionRow],
    clip: ClipRow,
    tracks: Sequence[TrackRow],
    seen: Mapping[int, Sequence[TrackObservation]],
    crops: Mapping[int, Sequence[Crop]],
    cameras: Sequence[CameraRow],
) -> list[CaptionRow]:
    """The captions with their scores: the share of judged facts that hold, null where none can be judged."""
    kept = {track.track: track for track in tracks if track.kept}
    found = []
    for row in rows:
        text = row.text.lower()
        if row.track is None:
            told = _check_clip_facts(text, tracks, seen)
            told.append(facts.check_camera_motion(text, cameras, clip.scale_source))
        else:
            track = kept[row.track]
            told = _check_track_facts(text, clip, track, seen[track.track], crops.get(track.track, ()))
        known = [fact for fact in told if fact is not None]
        found.append(replace(row, score=sum(known) / len(known) if known else None))
    return found


def build_caption_scores(rows: Sequence[CaptionRow]) -> list[ScoreRow]:
    """A score for each caption, in their order."""
    return [
        ScoreRow(clip=row.clip, track=row.track, stage=STAGE, name=GATE, value=row.score, unit="share")
        for row in rows
    ]


def _check_clip_facts(
    text: str, tracks: Sequence[TrackRow], seen: Mapping[int, Sequence[TrackObservation]]
) -> list[bool | None]:
    """Two facts for each kind of thing that was kept: it is told of and found in another frame; how many."""
    by_name: dict[str, list[TrackRow]] = {}
    for track in tracks:
        by_name.setdefault(track.label or track.concept or "object", []).append(track)
    found: list[bool | None] = []
    for mine in by_name.values():
        kept = [track for track in mine if track.kept]
        if not kept:
            continue
        shown = Counter(item.frame for track in kept for item in seen[track.track])
        found.append(_class(text, kept[0], [_other(t, seen[t.track], ()) for t in kept]))
        found.append(facts.check_count(text, _names(kept[0]), mine, list(shown.values())))
    return found


def _check_track_facts(
    text: str, clip: ClipRow, track: TrackRow, seen: Sequence[TrackObservation], crops: Sequence[Crop]
) -> list[bool | None]:
    other = _other(track, seen, crops)
    named = _class(text, track, [other])
    for name in _names(track):
        # an orange is no colour
        text = re.sub(rf"\b{re.escape(name)}(e?s)?\b", " ", text)
    place = facts.check_place(text, clip, track, seen)
    motion = _motion(facts.remove_places(text), clip, seen)
    return [named, _color(text, other, crops), _size(text, clip, other), place, motion]


def _class(text: str, track: TrackRow, others: Sequence[TrackObservation | None]) -> bool | None:
    again = [item for item in others if item is not None]
    if not again:
        return None
    told = any(re.search(rf"\b{re.escape(name)}(e?s)?\b", text) for name in _names(track))
    return told and any(item.score is None or item.score >= AGAIN for item in again)


def _color(text: str, other: TrackObservation | None, crops: Sequence[Crop]) -> bool | None:
    stated = [index for index, color in enumerate(COLORS) if re.search(rf"\b{color}\b", text)]
    crop = next((crop for crop in crops if other is not None and crop.frame == other.frame), None)
    if not stated or crop is None:
        return None
    colors = name_inner_colors(crop)
    return bool(np.isin(colors, stated).mean() >= AttributeConfig().min_color_share) if colors.size else None


def _size(text: str, clip: ClipRow, other: TrackObservation | None) -> bool | None:
    large, small = LARGE_WORDS.search(text), SMALL_WORDS.search(text)
    if other is None or bool(large) == bool(small):
        return None
    share = other.area / (clip.width * clip.height)
    return share > LARGE / SLACK if large else share < SMALL * SLACK


def _motion(text: str, clip: ClipRow, seen: Sequence[TrackObservation]) -> bool | None:
    """The motion between other frames than the first and the last one, which the default goes by."""
    moves, stays = MOVING.search(text), STAYS.search(text)
    ways = [way for way, word in WAYS.items() if moves and word.search(moves.group(1))]
    if len(seen) < 4 or bool(ways) == bool(stays):
        return None
    inside = max(1, len(seen) // 8)
    a, b = seen[inside].box, seen[-1 - inside].box
    x = (b[0] + b[2] - a[0] - a[2]) / 2 / clip.width
    y = (b[1] + b[3] - a[1] - a[3]) / 2 / clip.height
    if stays:
        return max(abs(x), abs(y)) < MOVES * SLACK
    toward = {"right": x, "left": -x, "down": y, "up": -y}
    return all(toward[way] >= MOVES / 2 for way in ways)


def _other(
    track: TrackRow, seen: Sequence[TrackObservation], crops: Sequence[Crop]
) -> TrackObservation | None:
    """A frame that the caption was not made from: the second view, or the middle of those that are left."""
    left = [item for item in seen if item.frame != track.reference_frame]
    second = next((item for crop in crops[1:] for item in left if item.frame == crop.frame), None)
    return second or (left[len(left) // 2] if left else None)


def _names(track: TrackRow) -> list[str]:
    told = {name.lower() for name in (track.label, track.concept) if name}
    told |= {word for word, name in SYNONYMS.items() if name in told}
    return sorted(told | ({"people"} if "person" in told else set()), key=len, reverse=True) or ["object"]
