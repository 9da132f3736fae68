"""One small picture per track, kept and rejected, with the gate and the value that decided."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from workers.datasets.documents.track_images import (
    ClipOpener,
    draw_tracks,
    find_window,
    fit_height,
)
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, DecisionRow, ObservationRow, TrackRow
from workers.datasets.summary import iterate_standing
from workers.datasets.version import DatasetVersion

# tracks of each kind in a report
MOST_REJECTED, MOST_KEPT = 48, 24
# pixels
HEIGHT = 110
JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackCard:
    """A track: which it is, whether it was kept, what decided, and a JPEG, None without its masks."""

    title: str
    kept: bool
    decided: str
    jpeg: bytes | None


def render_cards(version: DatasetVersion, opener: ClipOpener) -> Iterator[TrackCard]:
    """Cards of the first rejected tracks and of the first kept ones, of kept clips."""
    chosen = _choose_tracks(version)
    shown_clips = {track.clip for track in chosen}
    opener.gather(shown_clips)
    clips = {row.clip: row for row in version.rows["clips"] if row.clip in shown_clips}
    decisions: dict[tuple[str, int | None], list[DecisionRow]] = {
        (track.clip, track.track): [] for track in chosen
    }
    for row in iterate_standing(version.rows["decisions"]):
        if (row.clip, row.track) in decisions:
            decisions[row.clip, row.track].append(row)
    by_clip: dict[str, list[TrackRow]] = {}
    for track in chosen:
        by_clip.setdefault(track.clip, []).append(track)
    cards = {}
    for clip_id, own in by_clip.items():
        clip = opener.open(clips[clip_id])
        rows = {(row.track, row.frame): row for row in (*clip.observations, *clip.rejected_observations)}
        for track in own:
            shown = rows.get((track.track, track.reference_frame or 0))
            cards[clip_id, track.track] = TrackCard(
                title=f"{clip_id[:8]} {track.label or track.concept or 'track'} {track.track}",
                kept=track.kept,
                decided=describe_decision(decisions[clip_id, track.track]),
                jpeg=None if shown is None else _draw_track(clip, shown),
            )
    return (cards[track.clip, track.track] for track in chosen)


def _choose_tracks(version: DatasetVersion) -> list[TrackRow]:
    """The first rejected tracks of kept clips, then the first kept ones."""
    clips = {row.clip for row in version.rows["clips"] if row.kept}

    def take(most: int, *, kept: bool) -> Iterator[TrackRow]:
        found = (row for row in version.rows["tracks"] if row.kept is kept and row.clip in clips)
        return islice(found, most)

    return [*take(MOST_REJECTED, kept=False), *take(MOST_KEPT, kept=True)]


def _draw_track(clip: SceneClip, row: ObservationRow) -> bytes:
    """A track in its frame, with some of what is around it."""
    x0, y0, x1, y1 = find_window([row], clip.size)
    names = dict.fromkeys((track.track for track in clip.all_tracks), "")
    out = io.BytesIO()
    image = draw_tracks(clip, row.frame, names)[y0:y1, x0:x1]
    fit_height(image, HEIGHT).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def describe_decision(decisions: Sequence[DecisionRow]) -> str:
    """The gates that a track failed with value and bound, or the one that it passed most narrowly."""
    by_hand = [row for row in decisions if row.gate == REVIEW_GATE]
    if by_hand:
        row = by_hand[-1]
        verdict = "kept" if row.passed else "rejected"
        return f"{verdict} by {row.reviewer}" + (f": {row.reason}" if row.reason else "")
    failed = [row for row in decisions if not row.passed]
    if failed:
        return "; ".join(_describe(row) for row in failed)
    measured = [(margin, row) for row in decisions if (margin := _measure_margin(row)) is not None]
    if not measured:
        return "no gate measured it"
    return f"closest: {_describe(min(measured, key=lambda item: item[0])[1])}"


def _describe(row: DecisionRow) -> str:
    value = "unknown" if row.score is None else f"{row.score:.3g}"
    if row.low is None and row.high is None:
        return f"{row.gate} {row.reason or value}"
    is_low = row.score is not None and row.low is not None and row.score < row.low
    bounds = f"≥ {row.low:.3g}" if is_low or row.high is None else f"≤ {row.high:.3g}"
    return f"{row.gate} {value} ({'needs ' if not row.passed else ''}{bounds})"


def _measure_margin(row: DecisionRow) -> float | None:
    """How far a score is from its bound, over the bound; None where it has none, or is 0 as all are."""
    if row.score is None:
        return None
    bounds = [bound for bound in (row.low, row.high) if bound]
    return min((abs(row.score - bound) / abs(bound) for bound in bounds), default=None)
