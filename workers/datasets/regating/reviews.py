"""Decisions by hand: a person keeps or rejects a clip or a track, whatever its gates say."""

from collections.abc import Iterable, Mapping
from datetime import UTC

from maquette.contract.datasets import Review

from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, DecisionRow

# reviews of one clip by track; that of the clip itself has None
ClipReviews = Mapping[int | None, Review]


def index_reviews(reviews: Iterable[Review], data: Dataset) -> dict[str, dict[int | None, Review]]:
    """The reviews by clip and track, where clips may be named by the beginning of their id.

    Raises DatasetError `review_misfit` for a clip or track that the version does not have.
    """
    reviews = list(reviews)
    tracks = {(row.clip, row.track) for row in data.iterate("tracks")} if reviews else set()
    indexed: dict[str, dict[int | None, Review]] = {}
    for review in reviews:
        clip = _find_clip(review.clip, data)
        if review.track is not None and (clip, review.track) not in tracks:
            raise DatasetError("review_misfit", f"clip {clip} has no track {review.track}")
        indexed.setdefault(clip, {})[review.track] = review
    return indexed


def _find_clip(name: str, data: Dataset) -> str:
    found = [row.clip for row in data.clip_rows if row.clip.startswith(name)]
    if len(found) != 1:
        detail = f"{len(found)} clips begin with {name}" if found else f"there is no clip {name}"
        raise DatasetError("review_misfit", detail)
    return str(found[0])


def decide_by_hand(
    clip: SceneClip, policy: str, reviews: ClipReviews | None
) -> dict[int | None, DecisionRow]:
    """The decisions by hand of a clip, by track: its own, unless `reviews` replace or withdraw them."""
    rows = {row.track: row for row in clip.decisions if row.gate == REVIEW_GATE}
    for track, review in (reviews or {}).items():
        rows.pop(track, None)
        if review.verdict != "withdraw":
            rows[track] = _build_row(clip.id, track, policy, review)
    return rows


def _build_row(clip: str, track: int | None, policy: str, review: Review) -> DecisionRow:
    return DecisionRow(
        clip=clip,
        track=track,
        gate=REVIEW_GATE,
        score=None,
        low=None,
        high=None,
        passed=review.verdict == "keep",
        policy=policy,
        reason=review.reason,
        reviewer=review.reviewer,
        reviewed_at=None if review.at is None else review.at.astimezone(UTC).isoformat(timespec="seconds"),
    )


def apply_verdict(failed: tuple[str, ...], verdict: DecisionRow | None) -> tuple[bool, tuple[str, ...]]:
    """Whether something is kept that failed these gates, and what it is said to have failed."""
    if verdict is None:
        return not failed, failed
    return verdict.passed, failed if verdict.passed else (*failed, REVIEW_GATE)
