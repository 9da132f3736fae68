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
from tests.support.synthetic_datasets import SETTINGS, make_source
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.source import GroundTruth, Source
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify
from workers.engines.protocols import Rgb


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
