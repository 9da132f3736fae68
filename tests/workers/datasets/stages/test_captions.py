"""What is said and shown of tracks: captions of what was measured, crops, vectors of a plug-in."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from maquette.contract.vocabulary import COLORS
from numpy.typing import NDArray
from PIL import Image

from tests.support.scenes import draw_ball, make_wall
from tests.support.synthetic_datasets import SETTINGS, make_source, render_balls
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.components import Components
from workers.datasets.gates.policy import GatePolicy
from workers.datasets.local import build_dataset
from workers.datasets.protocols import ClipTracker
from workers.datasets.reader import Dataset
from workers.datasets.source import GroundTruth, Source
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify
from workers.engines.protocols import EngineInfo, FrameResult, Rgb


def rolling(label: str) -> Source:
    """A large red ball that rolls from the left to the right."""
    frames, masks = [], []
    for index in range(12):
        image = make_wall(1, (120, 160))
        masks.append({1: draw_ball(image, (60, 40 + 7 * index), 32, (220, 40, 40))})
        frames.append(image)
    return make_source(frames, truth=GroundTruth(lambda frame: masks[frame], {1: label}))


class Means:
    """A plug-in encoder: the mean colour of a crop."""

    name = "means/1"
    weights = {"means": "0" * 64}

    def encode(self, crops: Sequence[Rgb]) -> NDArray[np.float32]:
        return np.array([crop.reshape(-1, 3).mean(axis=0) for crop in crops], np.float32)


def make_dataset(folder: Path, label: str, encoder: Means | None = None) -> Dataset:
    settings = replace(SETTINGS, phrases=(label,), clip_seconds=1.0)
    components = Components(OracleTracks(settings.phrases), encoder=encoder)
    build_dataset([rolling(label)], components, settings, folder / "work", folder / "data")
    return Dataset(folder / "data")


def words(data: Dataset) -> dict[int | None, str]:
    return {row.track: row.text for row in data.rows("captions")}


def test_captions_state_colour_place_and_motion(tmp_path: Path) -> None:
    stated = words(make_dataset(tmp_path, "ball"))
    assert stated[1] == "A large red ball on the left that moves to the right in the picture."
    assert stated[None] == "A clip of 0.9 seconds that shows one ball; the camera stands still."


NOTHING = " that shows none of the things that were asked for"


class Silent:
    """A tracker that returns no result for any frame."""

    info = EngineInfo("silent", "concepts", "1", "none", "none", (), ())

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        return self

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        return ()

    def finish(self) -> Sequence[FrameResult]:
        return ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("found", "least_area", "flag", "presence", "stated"),
    [
        (("ball", "ball"), {1: 0, 2: 0}, None, "present", " that shows two balls"),
        (("ball", "ball"), {1: 0, 2: 9}, None, "present", " that shows at least one ball"),
        (("ball", "orange"), {1: 0, 2: 9}, None, "present", " that shows one ball and may show an orange"),
        (("ball", "ball"), {1: 9, 2: 9}, "tracks_rejected", "rejected", " that may show balls"),
        (("box", "box"), {1: 0, 2: 0}, "nothing_found", "absent", NOTHING),
        (None, {}, "not_searched", "unknown", ""),
    ],
)  # fmt: skip
def test_captions_know_absent_from_rejected_and_unknown(
    found: tuple[str, str] | None,
    least_area: dict[int, int],
    flag: str | None,
    presence: str,
    stated: str,
    tmp_path: Path,
) -> None:
    frames, masks = render_balls(3, 12, 2)
    for mine in masks:
        for track, share in least_area.items():
            # a ninth of the lines of the mask: too small for the gate of areas
            if share:
                mine[track] = mine[track] & (np.arange(120) % share == 0)[:, None]
    truth = GroundTruth(lambda frame: masks[frame], dict(enumerate(found or (), 1)))
    policy = GatePolicy("area", {"area": (300.0, None)})
    settings = replace(SETTINGS, phrases=("ball", "orange"), clip_seconds=1.0, policy=policy)
    components = Components(Silent() if found is None else OracleTracks(settings.phrases))
    build_dataset([make_source(frames, truth=truth)], components, settings, tmp_path / "w", tmp_path / "d")
    data = Dataset(tmp_path / "d")
    [clip] = data.clips()
    assert clip.caption == f"A clip of 0.9 seconds{stated}; the camera stands still."
    assert {row.phrase: row.presence for row in clip.concepts}["ball"] == presence
    assert [item for item in clip.row.flags if item != "camera_assumed"] == ([flag] if flag else [])
    assert verify(data.folder) == []


@pytest.mark.parametrize("label", ["person", "woman", "child"])
def test_captions_never_state_the_colour_of_people(tmp_path: Path, label: str) -> None:
    stated = words(make_dataset(tmp_path, label))[1]
    assert label in stated and not any(color in stated.split() for color in COLORS)


def test_crops_show_the_whole_object_spread_over_the_clip(tmp_path: Path) -> None:
    clip = next(make_dataset(tmp_path, "ball").clips())
    assert len(clip.features) == SETTINGS.crops == 3
    assert sorted(row.frame * 3 // 12 for row in clip.features) == [0, 1, 2]
    for row in clip.features:
        assert row.jpeg is not None and row.vector is None
        with Image.open(io.BytesIO(row.jpeg)) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        assert pixels.shape[0] == pixels.shape[1] == round(row.x1 - row.x0)
        red = (pixels[..., 0] - pixels[..., 1]) > 40
        seen = next(seen for seen in clip.track_observations(1) if seen.frame == row.frame)
        assert red.sum() == pytest.approx(seen.area, rel=0.12)
    assert clip.tracks[0].reference_frame == clip.features[0].frame


def test_a_plug_in_encoder_adds_vectors_and_changes_the_key(tmp_path: Path) -> None:
    plain, encoded = make_dataset(tmp_path / "a", "ball"), make_dataset(tmp_path / "b", "ball", Means())
    assert verify(encoded.folder) == []
    rows = next(encoded.clips()).features
    vectors = [row for row in rows if row.kind == "vector"]
    assert len(vectors) == 3 and all(row.encoder == "means/1" and row.jpeg is None for row in vectors)
    assert all(row.vector is not None and row.vector[0] > row.vector[2] for row in vectors)

    def keys(data: Dataset) -> dict[str, str]:
        return {row.stage: row.key for row in data.rows("lineage")}

    before, after = keys(plain), keys(encoded)
    assert {stage for stage in before if before[stage] != after[stage]} == {"appearance"}
