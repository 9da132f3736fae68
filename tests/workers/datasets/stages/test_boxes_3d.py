"""3D boxes from depth and cameras, of rendered objects that stand, move or turn, against the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.drawn_scenes.clips import RenderedClip, render_clip
from tests.support.synthetic_datasets import SETTINGS, make_dataset, movi_source
from workers.datasets import oriented_boxes
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.datasets.source import GroundTruth, Source
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import load_engines
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

LONG = replace(SETTINGS, clip_seconds=2.0, shares={"train": 1.0, "val": 0.0, "test": 0.0})


def make_boxless_source(clip: RenderedClip, name: str) -> Source:
    """The clip with cameras and depth, and no boxes."""
    source = movi_source(clip, name=name)
    return replace(source, truth=replace(source.truth, boxes=None))


def true_box(clip: RenderedClip, row: ObservationRow, number: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Corners (8, 3) in camera axes and edge lengths (3,)."""
    pose = np.linalg.inv(clip.world_from_cam[row.frame]) @ clip.world_from_object[row.frame, number - 1]
    size = clip.sizes[number - 1]
    return oriented_boxes.SIGNS * size @ pose[:3, :3].T + pose[:3, 3], size


def off(clip: RenderedClip, row: ObservationRow, number: int) -> float:
    """The distance between the estimated and the true centre, in diagonals of the true box."""
    corners, size = true_box(clip, row, number)
    return float(np.linalg.norm(np.array(row.center_cam) - corners.mean(axis=0)) / np.linalg.norm(size))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> tuple[RenderedClip, SceneClip]:
    clip = render_clip(1, frames=24, moving_camera=2.0, standing=True)
    data = make_dataset(tmp_path_factory.mktemp("still"), [make_boxless_source(clip, "still")], LONG)
    return clip, next(data.clips())


def test_standing_objects_are_where_they_were_rendered(still: tuple[RenderedClip, SceneClip]) -> None:
    rendered, clip = still
    assert {"ball", "box", "cylinder", "capsule"} <= {track.label for track in clip.tracks}
    for row in clip.observations:
        assert row.box3d_source == "depth" and "rotation_unknown" not in row.flags
        assert off(rendered, row, row.track) < 0.1


def test_a_box_has_its_true_size_and_rotation(still: tuple[RenderedClip, SceneClip]) -> None:
    rendered, clip = still
    [number] = [track.track for track in clip.tracks if track.label == "box"]
    for row in clip.track_observations(number):
        stated = clip.corners(row)
        assert stated is not None and row.size is not None
        corners, size = true_box(rendered, row, number)
        # the names of its axes mean nothing: each corner is one of the true ones
        apart = np.linalg.norm(stated[:, None] - corners[None], axis=2)
        assert sorted(apart.argmin(axis=1)) == list(range(8))
        assert apart.min(axis=1).max() < 0.05 * float(np.linalg.norm(size))


def test_what_turns_in_its_place_has_no_rotation(tmp_path: Path) -> None:
    rendered = render_clip(1, frames=24, moving_camera=1.0)
    clip = next(make_dataset(tmp_path, [make_boxless_source(rendered, "turning")], LONG).clips())
    swinging = [row for row in clip.observations if row.track == 3 and row.area >= 50]
    assert len(swinging) >= 10
    for row in swinging:
        assert row.box3d_source == "depth" and "rotation_unknown" in row.flags


def test_depth_has_no_place_in_a_world_of_unknown_scale(
    still: tuple[RenderedClip, SceneClip], tmp_path: Path
) -> None:
    rendered, _ = still
    source = make_boxless_source(rendered, "relative")
    info = source.info.model_copy(update={"scale": "relative"})
    clip = next(make_dataset(tmp_path, [replace(source, info=info)], LONG).clips())
    for row in clip.observations:
        assert row.box3d_source == "depth" and row.scale_source == "metric"
        assert row.center_cam is not None and row.center_world is None
        assert off(rendered, row, row.track) < 0.3


def test_a_ball_that_the_default_engine_finds_is_in_its_place(tmp_path: Path) -> None:
    rendered = render_clip(0, frames=8, moving_camera=2.0, standing=True)
    source = make_boxless_source(rendered, "found")
    source = replace(source, truth=GroundTruth(depth=source.truth.depth))
    settings = replace(LONG, phrases=("ball",), clip_seconds=0.6)
    track_source = EngineTracks(load_engines("default").concepts(), settings)
    build_dataset([source], Components(track_source), settings, tmp_path / "work", tmp_path / "data")
    clip = next(Dataset(tmp_path / "data").clips())
    assert rendered.labels[:2] == ("ball", "ball")
    fits = [
        (row, number, mask_iou(rendered.ids[row.frame] == number, clip.mask(row)))
        for row in clip.observations
        for number in (1, 2)
    ]
    actual = [(row, number) for row, number, fit in fits if fit > 0.7]
    assert len(actual) >= 8
    # within a tenth of its diagonal, by masks that nobody corrected
    assert max(off(rendered, row, number) for row, number in actual) < 0.1
