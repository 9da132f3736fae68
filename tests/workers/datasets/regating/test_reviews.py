"""Decisions by hand give a new version: they stand whatever the gates say, with who, when and why."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from maquette.contract.datasets import Review

from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset
from workers.datasets.documents import render_documents
from workers.datasets.errors import DatasetError
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.reader import Dataset
from workers.datasets.regating.clips import regate_clip
from workers.datasets.regating.versions import build_regated_version, regate
from workers.datasets.schema import DecisionRow
from workers.datasets.verification import verify
from workers.datasets.verification.clips import check_clip

pytestmark = pytest.mark.slow

# between the sizes of the balls, in pixels
AREA = 521.0
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two clips of three balls, of which the gate `area` left two out."""
    policy = DEFAULT.with_bounds({"area": (AREA, None)})
    source = balls_source(2, count=3, name="balls")
    return make_dataset(tmp_path_factory.mktemp("data"), [source], replace(SETTINGS, policy=policy))


def review(data: Dataset, track: int | None, verdict: str, **fields: Any) -> Review:
    clip = data.clip_rows[0].clip[:8]
    known = {"clip": clip, "track": track, "verdict": verdict, "reviewer": "Ada", "at": AT}
    return Review.model_validate({**known, **fields})


def find_tracks(data: Dataset, *, kept: bool) -> list[int]:
    """The tracks of the first clip."""
    clip = data.clip_rows[0].clip
    return [row.track for row in data.rows("tracks", clip) if row.kept is kept]


def test_a_rejected_track_comes_in_and_a_kept_one_goes(data: Dataset, tmp_path: Path) -> None:
    wanted, unwanted = find_tracks(data, kept=False)[0], find_tracks(data, kept=True)[0]
    verdicts = [review(data, wanted, "keep"), review(data, unwanted, "reject", reason="a reflection")]
    version, changes = regate(data, {}, tmp_path / "new", reviews=verdicts)
    new = Dataset(tmp_path / "new")
    assert verify(new.folder) == [] and new.manifest.parents == (data.version,)
    assert [item.track for item in changes.tracks_added] == [wanted]
    assert [item.track for item in changes.tracks_removed] == [unwanted]
    tracks = {row.track: row for row in new.rows("tracks", data.clip_rows[0].clip)}
    assert (tracks[wanted].kept, tracks[wanted].failed) == (True, ("area",))
    assert (tracks[unwanted].kept, tracks[unwanted].failed) == (False, ("review",))
    clip = new.clip_rows[0].clip
    assert {row.track for row in new.rows("observations", clip)} == set(find_tracks(new, kept=True))
    by_hand = [row for row in new.rows("decisions") if row.gate == "review"]
    facts = [(row.track, row.passed, row.reviewer, row.reviewed_at, row.reason) for row in by_hand]
    assert facts == [
        (wanted, True, "Ada", "2026-05-04T03:02:01+00:00", None),
        (unwanted, False, "Ada", "2026-05-04T03:02:01+00:00", "a reflection"),
    ]
    # what a person kept counts for no gate, and what went is counted once
    assert new.manifest.rejected["review"] == 1
    assert new.manifest.rejected.get("area", 0) == data.manifest.rejected["area"] - 1
    assert {step.stage: step.given - step.kept for step in version.funnel if step.unit == "tracks"}[
        "review"
    ] == 1
    assert new.manifest.totals["tracks"] == data.manifest.totals["tracks"]


def test_decisions_by_hand_outlive_other_bounds_until_they_are_withdrawn(
    data: Dataset, tmp_path: Path
) -> None:
    wanted = find_tracks(data, kept=False)[0]
    regate(data, {}, tmp_path / "first", reviews=[review(data, wanted, "keep")])
    first = Dataset(tmp_path / "first")
    regate(first, {"area": (1e6, None)}, tmp_path / "second")
    second = Dataset(tmp_path / "second")
    assert verify(second.folder) == [] and find_tracks(second, kept=True) == [wanted]
    regate(second, {}, tmp_path / "third", reviews=[review(data, wanted, "withdraw")])
    third = Dataset(tmp_path / "third")
    assert verify(third.folder) == [] and find_tracks(third, kept=True) == []
    assert not any(row.gate == "review" for row in third.rows("decisions"))


def test_a_clip_goes_by_hand_and_cannot_come_back_without_its_video(data: Dataset, tmp_path: Path) -> None:
    _, changes = regate(data, {}, tmp_path / "out", reviews=[review(data, None, "reject")])
    out = Dataset(tmp_path / "out")
    assert verify(out.folder) == [] and len(out) == len(data) - 1
    assert list(changes.clips_removed.values()) == [("review",)]
    _, changes = regate(out, {}, tmp_path / "back", reviews=[review(data, None, "keep")])
    assert changes.clips_unavailable == [data.clip_rows[0].clip] and verify(tmp_path / "back") == []


def test_a_verdict_that_cannot_be_carried_out_decides_nothing(data: Dataset) -> None:
    clip = data.clip(data.clip_rows[0].clip)
    track = find_tracks(data, kept=False)[0]
    # cached properties: an older release kept no masks of rejected tracks
    clip.__dict__["rejected_observations"] = []
    regated = regate_clip(clip, {}, {track: review(data, track, "keep")})
    assert regated.unavailable == (track,) and not regated.added
    assert not any(row.gate == "review" for row in regated.rows["decisions"])
    assert [row.kept for row in regated.rows["tracks"] if row.track == track] == [False]


def test_the_report_names_who_decided_when_and_why(data: Dataset, tmp_path: Path) -> None:
    unwanted = find_tracks(data, kept=True)[0]
    reason = "a <b>mirror</b>"
    reviews = [review(data, unwanted, "reject", reason=reason)]
    built = build_regated_version(data, {}, tmp_path, reviews, is_signed=False)
    names = {entry.sha256: entry.name for entry in built.list_files()}

    def load(digest: str) -> bytes:
        return built.find(names[digest]).read_bytes()

    report = render_documents(built.version, load)["report.html"].decode()
    assert (
        "rejected by Ada" in report and "Decided by hand" in report and "2026-05-04T03:02:01+00:00" in report
    )
    assert "a &lt;b&gt;mirror&lt;/b&gt;" in report and "<b>mirror</b>" not in report


def test_verification_finds_decisions_of_nobody_and_tracks_that_do_not_follow_them(data: Dataset) -> None:
    clip = data.clip(data.clip_rows[0].clip)
    by_hand = DecisionRow(
        clip=clip.id, track=clip.tracks[0].track, gate="review", score=None, low=None, high=None,
        passed=False, policy="p", reason=None, reviewer="Ada", reviewed_at=AT.isoformat(),
    )  # fmt: skip
    for row, wanted in (
        (by_hand, "it failed"),
        (replace(by_hand, passed=True, reviewer=None), "names nobody"),
    ):
        # a cached property: the clip then has one decision more
        clip.__dict__["decisions"] = [*data.clip(clip.id).decisions, row]
        found = [item for item in check_clip(data, clip) if item.code == "decision_contradicted"]
        assert len(found) == 1 and wanted in found[0].detail


def test_clips_and_tracks_that_are_not_there_are_refused(data: Dataset, tmp_path: Path) -> None:
    for wrong in (review(data, 1, "keep", clip="zzzz9999"), review(data, 4711, "keep")):
        with pytest.raises(DatasetError) as caught:
            regate(data, {}, tmp_path / "x", reviews=[wrong])
        assert caught.value.code == "review_misfit"
