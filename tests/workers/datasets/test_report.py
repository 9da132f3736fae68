"""The report shows kept and rejected tracks with what decided, and the frames around suspected switches."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset, make_source
from tests.support.walkers import Walker, render_walkers
from workers.datasets.documents.track_cards import describe_decision
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.reader import Dataset
from workers.datasets.source import GroundTruth, Source
from workers.datasets.verification import verify

pytestmark = pytest.mark.slow
RATE, MEET = 15, 26
RED = (200, 40, 30)


def cross_with_swapped_ids() -> Source:
    """Two people who cross at 26/15 s, after which each has the id of the other."""
    walkers = [
        Walker(start=(30, 80), speed=(60, 0), color=(200, 60, 50)),
        Walker(start=(220, 84), speed=(-60, 0), color=(60, 90, 200), strides=1.2),
    ]
    images, masks = render_walkers(walkers, 3.0, step=2)

    def swap(frame: int) -> dict[int, np.ndarray]:  # type: ignore[type-arg]
        return {3 - track if frame > MEET else track: mask for track, mask in masks[frame].items()}

    return make_source(images, truth=GroundTruth(swap, dict.fromkeys((1, 2), "person")), rate=RATE, name="x")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    settings = replace(
        SETTINGS,
        phrases=("person", "ball"),
        clip_seconds=3.0,
        min_clip_seconds=1.0,
        policy=DEFAULT.with_bounds({"area": (600.0, None)}),
    )
    crossing = cross_with_swapped_ids()
    crossing = replace(crossing, info=crossing.info.model_copy(update={"name": "crossing.mp4"}))
    sources = [crossing, balls_source(1, name="balls"), balls_source(2, count=3, name="more")]
    return make_dataset(tmp_path_factory.mktemp("report"), sources, settings)


def read_images(page: str, pattern: str) -> list[np.ndarray]:  # type: ignore[type-arg]
    found = re.findall(rf'<img alt="[^"]*{pattern}[^"]*" src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def test_suspected_switches_have_their_moments_and_frames(data: Dataset) -> None:
    assert verify(data.folder) == []
    moments = [row.value for row in data.rows("scores") if row.name == "id_switch_at"]
    assert moments and all(value is not None and abs(value - MEET / RATE) < 0.5 for value in moments)
    counts = {
        (row.clip, row.track): row.value
        for row in data.rows("scores")
        if row.name == "id_switch" and row.value
    }
    assert set(counts) == {(row.clip, row.track) for row in data.rows("scores") if row.name == "id_switch_at"}
    page = (data.folder / "report.html").read_text()
    strips = read_images(page, "person . switch at|person [12]: switch at")
    assert len(strips) >= 2 and all(strip.shape[1] > 3 * strip.shape[0] for strip in strips)
    # rejected by that gate, so they are outlined in red
    assert all((np.abs(strip.astype(int) - RED).max(axis=2) < 70).sum() > 50 for strip in strips)


def test_each_track_has_a_picture_and_what_decided(data: Dataset) -> None:
    page = (data.folder / "report.html").read_text()
    tracks = data.rows("tracks")
    assert {track.kept for track in tracks} == {True, False}
    cards = re.findall(r"<figure( class=no)?><img [^>]+><figcaption>([^<]+)<br>([^<]+)</figcaption>", page)
    assert len(cards) == len(tracks)
    for rejected, title, decided in cards:
        clip, label, number = title.split()
        track = next(
            row
            for row in tracks
            if row.clip.startswith(clip) and row.track == int(number) and row.label == label
        )
        assert bool(rejected) != track.kept
        row = next(
            row
            for row in data.rows("decisions")
            if (row.clip, row.track) == (track.clip, track.track)
            and row.gate == (decided.removeprefix("closest: ").split()[0])
        )
        assert row.passed == track.kept and f" {row.score:.3g} (" in decided


def test_histograms_have_their_bounds_and_what_failed(data: Dataset) -> None:
    page = (data.folder / "report.html").read_text()
    figure = page.split("<b>area</b>")[1].split("</figure>")[0]
    failed = sum(not row.passed for row in data.rows("decisions") if row.gate == "area")
    assert "≥ 600" in figure and f"{failed} failed" in figure
    assert figure.count("<line") == 1 and "#b5533c" in figure and "#2f6f5e" in figure


def test_videos_are_named_with_their_clips_and_flags(data: Dataset, tmp_path: Path) -> None:
    page = (data.folder / "report.html").read_text()
    rejected = page.split("<h2>Rejected</h2>")[1].split("</table>")[0]
    for row in data.rows("decisions"):
        if not row.passed and row.gate != "caption_alignment":
            name = data.sources[data.rows_by_clip[row.clip].source].name or ""
            assert re.search(rf"<code>{row.clip[:8]}</code>.*?<td>{name}<td>{row.gate}", rejected)
    # without a frame rate, frames that are left out are lost
    assert "per second" not in page
    settings = replace(SETTINGS, frame_rate=4.0, min_clip_seconds=0.5)
    resampled = make_dataset(tmp_path, [balls_source(1, name="balls")], settings)
    page = (resampled.folder / "report.html").read_text()
    assert "<td>shots, at 4 per second<td>frames" in page and "class=lost" not in page.split("duration")[0]
    assert "frame_rate_below_grid" not in page
    flagged = make_dataset(tmp_path / "flagged", [balls_source(1)], replace(settings, frame_rate=20.0))
    assert "<td>frame_rate_below_grid" in (flagged.folder / "report.html").read_text()


def test_the_contact_sheet_outlines_rejected_tracks(data: Dataset) -> None:
    sheet = np.asarray(Image.open(data.folder / "contact.png").convert("RGB")).astype(int)
    assert (np.abs(sheet - RED).max(axis=2) < 40).sum() > 100


def test_without_decisions_nothing_is_claimed() -> None:
    assert describe_decision([]) == "no gate measured it"


def test_the_report_needs_no_other_file(data: Dataset, tmp_path: Path) -> None:
    page = (data.folder / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
