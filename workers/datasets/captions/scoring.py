"""Whether captions hold: what they state is measured again on other frames than they were made from.

Facts of a track are class, colour, size word, place and motion; facts of a clip are the classes, how many
of each, and what the camera does. This reads simple English and checks nothing else; it is no vision-
language model. A caption that states none of these has no score. What it notices is counted by `python -m
bench run datasets.captions` (docs/benchmarks/datasets.md).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from maquette.contract.vocabulary import COLORS, SYNONYMS

from workers.datasets.appearance.crops import Crop
from workers.datasets.captions import facts
from workers.datasets.captions.camera_facts import check_camera_motion
from workers.datasets.captions.composed import LARGE, MOVES, SMALL, name_inner_colors
from workers.datasets.observations import TrackObservation
from workers.datasets.schema import CameraRow, CaptionRow, ClipRow, ScoreRow, TrackRow
from workers.engines.concepts.images.config import AttributeConfig

GATE = "caption_alignment"
STAGE = "captions"
# confidence of a mask that counts as finding the class again; chosen, not measured
FOUND_AGAIN = 0.5
# factor on the bounds of size words and motion, which an object near a bound may miss in another frame;
# chosen
SLACK = 1.5
# one in so many frames is left out at each end when motion is measured: captions are made from the ends.
# Chosen, not measured
ENDS = 8
LARGE_WORDS = re.compile(r"\b(large|big|huge)\b")
SMALL_WORDS = re.compile(r"\b(small|tiny|little)\b")
STAYS = re.compile(r"\b(stays|staying|stands still|standing still|motionless|stationary)\b")
MOVING = re.compile(r"\bmov(?:es|ing)\b([^.]*)")
DIRECTIONS = {
    "right": re.compile(r"\bright\b(?! of)"),
    "left": re.compile(r"\bleft\b(?! of)"),
    "down": re.compile(r"\bdown"),
    "up": re.compile(r"\bup"),
}
Observations = Sequence[TrackObservation]


def score_captions(
    rows: Sequence[CaptionRow],
    clip: ClipRow,
    tracks: Sequence[TrackRow],
    observations: Mapping[int, Observations],
    crops: Mapping[int, Sequence[Crop]],
    cameras: Sequence[CameraRow],
) -> list[CaptionRow]:
    """The captions with their scores: the share of checked facts that hold, null where none can be."""
    kept = {track.track: track for track in tracks if track.kept}
    scored = []
    for row in rows:
        text = row.text.lower()
        if row.track is None:
            results = _check_clip_facts(text, tracks, observations)
            results.append(check_camera_motion(text, cameras, clip.scale_source))
        else:
            own = observations[row.track], crops.get(row.track, ())
            results = _check_track_facts(text, clip, kept[row.track], *own)
        checked = [holds for holds in results if holds is not None]
        scored.append(replace(row, score=sum(checked) / len(checked) if checked else None))
    return scored


def build_caption_scores(rows: Sequence[CaptionRow]) -> list[ScoreRow]:
    """A score for each caption, in their order."""
    return [
        ScoreRow(clip=row.clip, track=row.track, stage=STAGE, name=GATE, value=row.score, unit="share")
        for row in rows
    ]


def _check_clip_facts(
    text: str, tracks: Sequence[TrackRow], observations: Mapping[int, Observations]
) -> list[bool | None]:
    """Two facts per class with a kept track: it is named and found in another frame; how many there are."""
    by_name: dict[str, list[TrackRow]] = {}
    for track in tracks:
        by_name.setdefault(track.label or track.concept or "object", []).append(track)
    results: list[bool | None] = []
    for same in by_name.values():
        kept = [track for track in same if track.kept]
        if not kept:
            continue
        shown = Counter(item.frame for track in kept for item in observations[track.track])
        others = [_select_other(track, observations[track.track], ()) for track in kept]
        results.append(_check_class(text, kept[0], others))
        results.append(facts.check_count(text, _list_names(kept[0]), same, list(shown.values())))
    return results


def _check_track_facts(
    text: str, clip: ClipRow, track: TrackRow, observations: Observations, crops: Sequence[Crop]
) -> list[bool | None]:
    other = _select_other(track, observations, crops)
    has_class = _check_class(text, track, [other])
    for name in _list_names(track):
        # an orange is no colour
        text = re.sub(rf"\b{re.escape(name)}(e?s)?\b", " ", text)
    return [
        has_class,
        _check_color(text, other, crops),
        _check_size(text, clip, other),
        facts.check_place(text, clip, track, observations),
        _check_motion(facts.remove_places(text), clip, observations),
    ]


def _check_class(text: str, track: TrackRow, others: Sequence[TrackObservation | None]) -> bool | None:
    again = [item for item in others if item is not None]
    if not again:
        return None
    is_named = any(re.search(rf"\b{re.escape(name)}(e?s)?\b", text) for name in _list_names(track))
    return is_named and any(item.score is None or item.score >= FOUND_AGAIN for item in again)


def _check_color(text: str, other: TrackObservation | None, crops: Sequence[Crop]) -> bool | None:
    stated = [index for index, color in enumerate(COLORS) if re.search(rf"\b{color}\b", text)]
    crop = next((crop for crop in crops if other is not None and crop.frame == other.frame), None)
    if not stated or crop is None:
        return None
    colors = name_inner_colors(crop)
    least = AttributeConfig().min_color_share
    return bool(np.isin(colors, stated).mean() >= least) if colors.size else None


def _check_size(text: str, clip: ClipRow, other: TrackObservation | None) -> bool | None:
    large, small = LARGE_WORDS.search(text), SMALL_WORDS.search(text)
    if other is None or bool(large) == bool(small):
        return None
    share = other.area / (clip.width * clip.height)
    return share > LARGE / SLACK if large else share < SMALL * SLACK


def _check_motion(text: str, clip: ClipRow, observations: Observations) -> bool | None:
    """The motion between other frames than the first and the last one, which composed captions go by."""
    moves, stays = MOVING.search(text), STAYS.search(text)
    stated = [name for name, word in DIRECTIONS.items() if moves and word.search(moves.group(1))]
    if len(observations) < 4 or bool(stated) == bool(stays):
        return None
    inside = max(1, len(observations) // ENDS)
    a, b = observations[inside].box, observations[-1 - inside].box
    x = (b[0] + b[2] - a[0] - a[2]) / 2 / clip.width
    y = (b[1] + b[3] - a[1] - a[3]) / 2 / clip.height
    if stays:
        return max(abs(x), abs(y)) < MOVES * SLACK
    moved = {"right": x, "left": -x, "down": y, "up": -y}
    return all(moved[name] >= MOVES / 2 for name in stated)


def _select_other(
    track: TrackRow, observations: Observations, crops: Sequence[Crop]
) -> TrackObservation | None:
    """A frame that the caption was not made from: that of the second crop, or the middle of the others."""
    others = [item for item in observations if item.frame != track.reference_frame]
    second = next((item for crop in crops[1:] for item in others if item.frame == crop.frame), None)
    return second or (others[len(others) // 2] if others else None)


def _list_names(track: TrackRow) -> list[str]:
    """Words for the class of a track, the longest first."""
    names = {name.lower() for name in (track.label, track.concept) if name}
    names |= {word for word, name in SYNONYMS.items() if name in names}
    names |= {"people"} if "person" in names else set()
    return sorted(names, key=len, reverse=True) or ["object"]
