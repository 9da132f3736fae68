"""One clip of a finished dataset under other bounds: its rows, of which most stay as they are."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from workers.datasets.appearance.crops import Crop
from workers.datasets.captions.composed import compose_captions
from workers.datasets.captions.scoring import GATE as CAPTION_GATE
from workers.datasets.captions.scoring import build_caption_scores, score_captions
from workers.datasets.changes.choosing import choose_pairs
from workers.datasets.changes.frame_state import ClipStates
from workers.datasets.changes.measuring import compare_frames
from workers.datasets.gates.policy import Bound
from workers.datasets.observations import TrackObservation
from workers.datasets.regating.decisions import ClipPolicy, list_failed
from workers.datasets.regating.reviews import ClipReviews, apply_verdict, decide_by_hand
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import (
    REVIEW_GATE,
    CaptionRow,
    ChangeRow,
    ClipRow,
    ConceptRow,
    DecisionRow,
    FeatureRow,
    LineageRow,
    ObservationRow,
    TrackRow,
)
from workers.datasets.stages.changes import ChangeStage
from workers.datasets.stages.keys import StageKey, hash_rows
from workers.datasets.stages.shards import OUTPUTS

# flags of clips that depend on which tracks are kept
EMPTY_FLAGS = frozenset({"nothing_found", "tracks_rejected", "not_searched"})
# the stage of the tracks' gates in `lineage`
STAGE = "gates"
# tables of one file per clip whose rows depend on which tracks are kept
DIVIDED = ("observations", "rejected_observations", "features", "rejected_features", "changes")

Rows = dict[str, list[Any]]
# whether the new version keeps a track of a clip, or the clip itself with None
KeepsTrack = Callable[[str, int | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegatedClip:
    """A kept clip under other bounds: its row, its rows of tables that may change, and what its tracks did.

    `added` are the tracks that came in, `removed` those that went with the gates that they fail now, and
    `unavailable` those that would pass, but whose masks an older release did not keep. `loses_links` says
    that changes led to clips or tracks that are not kept any more.
    """

    row: ClipRow
    rows: Rows
    failed: tuple[str, ...]
    added: tuple[int, ...] = ()
    removed: Mapping[int, tuple[str, ...]]
    unavailable: tuple[int, ...] = ()
    loses_links: bool = False

    @property
    def tracks_changed(self) -> bool:
        """Whether other tracks are kept."""
        return bool(self.added or self.removed)

    @property
    def tables_changed(self) -> tuple[str, ...]:
        """The tables of single clips whose rows are others than before."""
        if self.tracks_changed:
            return DIVIDED
        return ("changes",) if self.loses_links else ()


def regate_clip(
    clip: SceneClip,
    bounds: Mapping[str, Bound],
    reviews: ClipReviews | None = None,
    keeps: KeepsTrack = lambda clip, track: True,
) -> RegatedClip:
    """Decide a kept clip and its tracks again, and make the rows that follow from that.

    `keeps` says whether the new version keeps a track of another clip, or with None the clip itself.
    """
    policy = ClipPolicy(clip, bounds)
    verdicts = decide_by_hand(clip, policy.name, reviews)
    tracks, track_decisions, unavailable = _regate_tracks(clip, policy, verdicts)
    kept = {track.track for track in tracks if track.kept}
    was_kept = {track.track for track in clip.tracks}
    own = policy.decide([row for row in clip.scores if row.track is None and row.name != CAPTION_GATE])
    rows: Rows = {"tracks": tracks}
    rows["observations"], rows["rejected_observations"] = _divide(
        [*clip.observations, *clip.rejected_observations], kept, key=lambda row: (row.frame, row.track)
    )
    rows["features"], rows["rejected_features"] = _divide(
        [*clip.features, *clip.rejected_features],
        kept,
        key=lambda row: (row.kind != "crop", row.track, row.rank),
    )
    rows["assets"] = [row for row in clip.assets if row.track in kept]
    links = _list_links(clip)
    staying = [row for row in links if row.track in {None, *kept} and keeps(row.other_clip, row.other_track)]
    rows["changes"] = [*_regate_changes(clip, rows), *staying]
    rows["concepts"] = [_regate_concept(row, tracks) for row in clip.concepts]
    row = _regate_row(clip, tracks)
    captions, caption_decisions = _regate_captions(clip, row, rows, policy, changed=kept != was_kept)
    rows["captions"] = captions
    rows["scores"] = [
        *(score for score in clip.scores if score.name != CAPTION_GATE),
        *build_caption_scores(captions),
    ]
    # a verdict that cannot be carried out decides nothing
    by_hand = [verdict for track, verdict in verdicts.items() if track not in unavailable]
    rows["decisions"] = [*own, *policy.others, *track_decisions, *by_hand, *caption_decisions]
    rows["lineage"] = [_regate_lineage(item, policy, by_hand, rows) for item in clip.lineage]
    is_kept, failed = apply_verdict(list_failed(own), verdicts.get(None))
    return RegatedClip(
        row=row,
        rows=rows,
        failed=() if is_kept else failed,
        added=tuple(sorted(kept - was_kept)),
        removed={track.track: track.failed for track in tracks if track.track in was_kept - kept},
        unavailable=unavailable,
        loses_links=len(staying) < len(links),
    )


def list_kept_tracks(
    clip: SceneClip, bounds: Mapping[str, Bound], reviews: ClipReviews | None = None
) -> set[int] | None:
    """The tracks that a clip keeps under other bounds; None where it is not kept itself."""
    if not clip.row.kept:
        return None
    policy = ClipPolicy(clip, bounds)
    verdicts = decide_by_hand(clip, policy.name, reviews)
    own = policy.decide([row for row in clip.scores if row.track is None and row.name != CAPTION_GATE])
    if not apply_verdict(list_failed(own), verdicts.get(None))[0]:
        return None
    return {track.track for track in _regate_tracks(clip, policy, verdicts)[0] if track.kept}


def _regate_tracks(
    clip: SceneClip, policy: ClipPolicy, verdicts: Mapping[int | None, DecisionRow]
) -> tuple[list[TrackRow], list[DecisionRow], tuple[int, ...]]:
    """The tracks, their decisions, and those that would be kept if their masks were there."""
    stored = {row.track for row in (*clip.observations, *clip.rejected_observations)}
    tracks: list[TrackRow] = []
    decisions: list[DecisionRow] = []
    unavailable = []
    for track in clip.all_tracks:
        scores = [row for row in clip.scores if row.track == track.track and row.name != CAPTION_GATE]
        decided = policy.decide(scores)
        is_kept, failed = apply_verdict(list_failed(decided), verdicts.get(track.track))
        if is_kept and track.track not in stored:
            # nothing is left of it but its row: it stays as it was decided
            unavailable.append(track.track)
            tracks.append(track)
            decisions += [
                row
                for row in clip.decisions
                if row.track == track.track and row.gate not in {CAPTION_GATE, REVIEW_GATE}
            ]
            continue
        tracks.append(replace(track, kept=is_kept, failed=failed))
        decisions += decided
    return tracks, decisions, tuple(unavailable)


def _divide(rows: Sequence[Any], kept: set[int], key: Any) -> tuple[list[Any], list[Any]]:
    """The rows of kept tracks and those of rejected ones, each in their order."""
    ordered = sorted(rows, key=key)
    return [row for row in ordered if row.track in kept], [row for row in ordered if row.track not in kept]


def _regate_concept(row: ConceptRow, tracks: Sequence[TrackRow]) -> ConceptRow:
    kept = sum(track.kept and track.concept == row.phrase for track in tracks)
    presence = row.presence
    if row.found and presence is not None:
        presence = "present" if kept else "rejected"
    return replace(row, kept=kept, presence=presence)


def _list_links(clip: SceneClip) -> list[ChangeRow]:
    """The changes from a clip to others."""
    return [row for row in clip.changes if row.other_clip != clip.id]


def _regate_changes(clip: SceneClip, rows: Rows) -> list[ChangeRow]:
    """What changed of the tracks that are kept now, between as many pairs of frames."""
    stages = [item for item in clip.lineage if item.stage == ChangeStage.name]
    if not stages:
        return []
    states = ClipStates(clip.row, rows["tracks"], rows["observations"], clip.cameras)
    pairs = choose_pairs(len(clip), json.loads(stages[0].parameters)["pairs"])
    return compare_frames(states, pairs)


def _regate_row(clip: SceneClip, tracks: Sequence[TrackRow]) -> ClipRow:
    """The row of the clip with the flag that fits what is kept."""
    if not tracks:
        return clip.row
    others = tuple(flag for flag in clip.row.flags if flag not in EMPTY_FLAGS)
    has_kept = any(track.kept for track in tracks)
    return replace(clip.row, flags=others if has_kept else (*others, "tracks_rejected"))


def _regate_captions(
    clip: SceneClip, row: ClipRow, rows: Rows, policy: ClipPolicy, *, changed: bool
) -> tuple[list[CaptionRow], list[DecisionRow]]:
    """Captions and their decisions; composed ones are written again where other tracks are kept."""
    captions = list(clip.all_captions)
    if changed:
        tracks: list[TrackRow] = rows["tracks"]
        kept = {track.track for track in tracks if track.kept}
        observations = _restore_observations([*rows["observations"], *rows["rejected_observations"]])
        crops = _restore_crops(row, [*rows["features"], *rows["rejected_features"]])
        was_searched = "not_searched" not in clip.row.flags
        composed = compose_captions(row, tracks, observations, crops, was_searched=was_searched)
        given = [item for item in captions if item.kind != "composed" and item.track in {None, *kept}]
        captions = score_captions([*given, *composed], row, tracks, observations, crops, clip.cameras)
    decisions = policy.decide(build_caption_scores(captions))
    if decisions:
        captions = [
            replace(item, kept=decision.passed) for item, decision in zip(captions, decisions, strict=True)
        ]
    return captions, decisions


def _restore_observations(rows: Sequence[ObservationRow]) -> dict[int, list[TrackObservation]]:
    """What captions are composed from and checked against, by track."""
    out: dict[int, list[TrackObservation]] = {}
    for row in sorted(rows, key=lambda row: (row.track, row.frame)):
        out.setdefault(row.track, []).append(
            TrackObservation(
                frame=row.frame,
                box=(row.x0, row.y0, row.x1, row.y1),
                score=row.score,
                mask={"size": [row.mask_height, row.mask_width], "counts": row.mask_counts},
                area=row.area,
                depth=row.depth,
                points=None,
                flags=row.flags,
            )
        )
    return out


def _restore_crops(clip: ClipRow, rows: Sequence[FeatureRow]) -> dict[int, list[Crop]]:
    """The crops of each track, the best first."""
    out: dict[int, list[Crop]] = {}
    for row in sorted(rows, key=lambda row: (row.track, row.rank)):
        if row.jpeg is not None:
            window = row.x0 / clip.width, row.y0 / clip.height, row.x1 / clip.width, row.y1 / clip.height
            out.setdefault(row.track, []).append(Crop(row.frame, 0.0, window, row.jpeg))
    return out


def _regate_lineage(
    row: LineageRow, policy: ClipPolicy, by_hand: Sequence[DecisionRow], rows: Rows
) -> LineageRow:
    """The row with its new output, and for the gates with the policy and the reviews as its parameters."""
    table = OUTPUTS.get(row.stage)
    output = hash_rows(rows[table]) if table in rows else row.output
    if row.stage != STAGE:
        return replace(row, output=output)
    parameters = policy.policy.as_json()
    if by_hand:
        parameters["reviews"] = [asdict(item) for item in by_hand]
    weights = json.loads(row.weights)
    return StageKey(row.stage, row.code_version, row.inputs, parameters, weights).lineage(row.clip, output)
