"""Pickles of slots, read and cut as C-JEPA's own dataset does it."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import hadamard

from tests.support.export_datasets import all_close, load_export_dataset, make_actions
from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset, make_source, render_balls
from workers.datasets.exporters.cjepa.measured_slots import CJepaSlots
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.source import GroundTruth

pytestmark = pytest.mark.slow

Pickle = dict[str, dict[str, NDArray[Any]]]


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of twelve clips of two balls that move."""
    folder = tmp_path_factory.mktemp("balls")
    settings = replace(SETTINGS, clip_seconds=2.0, trim_seconds=0.0)
    sources = [balls_source(seed, name=str(seed)) for seed in range(12)]
    CJepaSlots().write(make_dataset(folder / "made", sources, settings), folder / "out", slots=4)
    return folder / "out"


def unpickle(path: Path) -> Pickle:
    actual: Pickle = pickle.loads(path.read_bytes())  # noqa: S301
    return actual


class Export:
    """The pickles of an export, and the slots as they were measured."""

    def __init__(self, folder: Path) -> None:
        self.document = json.loads((folder / "slots.json").read_text())
        self.slots, self.seen = unpickle(folder / "slots.pkl"), unpickle(folder / "seen.pkl")
        self.places = {name: slice(*ends) for name, ends in self.document["fields"].items()}

    def measured(self, entry: dict[str, Any]) -> NDArray[np.float64]:
        stored = self.slots[entry["split"]][entry["key"]]
        mean, scale = np.array(self.document["mean"]), np.array(self.document["scale"])
        return np.asarray(stored @ (hadamard(128) / np.sqrt(128)) * scale + mean)

    def stack(self) -> NDArray[np.float32]:
        return np.concatenate([array.reshape(-1, 128) for array in self.slots["train"].values()])


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def export(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("slots")
    CJepaSlots().write(data, folder)
    return Export(folder)


def test_pickles_have_the_keys_and_shapes_of_cjepa(data: Dataset, export: Export) -> None:
    assert type(export.slots) is dict and all(type(split) is dict for split in export.slots.values())
    assert list(export.slots) == ["train", "val", "test"] and export.slots["test"] == {}
    keys = [key for split in export.slots.values() for key in split]
    assert sorted(keys) == sorted(f"{number}_pixels.mp4" for number in range(len(data)))
    for entry in export.document["clips"]:
        clip, mine = data.clip(entry["clip"]), export.slots[entry["split"]][entry["key"]]
        assert entry["split"] == clip.row.split
        assert mine.shape == (len(clip), 7, 128) and mine.dtype == np.float32 and np.isfinite(mine).all()
        assert export.seen[entry["split"]][entry["key"]].shape == (len(clip), 7)
        # a window as its dataset cuts it: two steps, every third frame
        assert mine[1 : 1 + 2 * 3 : 3].shape == (2, 7, 128)


def test_measured_numbers_come_back(data: Dataset, export: Export) -> None:
    for entry in export.document["clips"]:
        clip, measured = data.clip(entry["clip"]), export.measured(entry)
        seen = export.seen[entry["split"]][entry["key"]]
        for frame in (0, 4, len(clip) - 1):
            rows = {row.track: row for row in clip.frame_observations(frame)}
            for slot, track in enumerate(entry["tracks"]):
                assert seen[frame, slot] == (track in rows)
                if track in rows:
                    _check_object(clip, export, measured[frame, slot], rows[track])
            assert seen[frame, len(entry["tracks"]) :].all()
            background = measured[frame, :, export.places["background"]][:, 0]
            assert all_close(background, np.arange(7) >= len(entry["tracks"]), 1e-4)


def _check_object(clip: SceneClip, export: Export, state: NDArray[np.float64], row: Any) -> None:
    places, (height, width) = export.places, clip.size
    box = state[places["box"]] * (width, height, width, height)
    assert all_close(box, [row.x0, row.y0, row.x1, row.y1], 1e-2)
    pixels = clip.image(row.frame)[clip.mask(row)]
    assert all_close(state[places["color"]] * 255, pixels.mean(axis=0), 0.1)
    centroid = np.argwhere(clip.mask(row)).mean(axis=0)[::-1] + 0.5
    assert all_close(state[places["position"]] * (width, height), centroid, 1e-2)
    # the window has 1.6 times the area's root as its side, unless the frame or its side cuts it
    assert state[places["mask"]].mean() * 1.6**2 <= 1.05
    assert abs(state[places["area"]][0] * width * height - row.area) < 0.5
    assert abs(state[places["box_3d_known"]][0] - (row.center_cam is not None)) < 1e-4
    if row.center_cam is not None:
        assert all_close(state[places["center"]], row.center_cam, 1e-3)
        assert all_close(state[places["size"]], row.size, 1e-3)


def test_numbers_are_normalised_and_none_is_dead(export: Export) -> None:
    numbers = export.stack()
    deviation = numbers.std(axis=0)
    assert deviation.min() > 0.1 and deviation.max() < 5
    # of what is known it is 1; unknown boxes are at their mean
    assert 0.7 < (deviation**2).mean() < 1.05
    assert np.abs(numbers.mean(axis=0)).max() < 0.05


def test_background_slots_show_different_parts(export: Export) -> None:
    compared = 0
    for entry in export.document["clips"]:
        behind = export.slots[entry["split"]][entry["key"]][0, len(entry["tracks"]) :]
        for number, one in enumerate(behind):
            for other in behind[:number]:
                assert np.abs(one - other).max() > 0.1
                compared += 1
    assert compared > 20


def test_an_object_that_is_hidden_keeps_its_last_state(tmp_path: Path) -> None:
    images, masks = render_balls(3, 24, 2)
    for frame in (10, 11, 12):
        del masks[frame][2]
    truth = GroundTruth(lambda frame: masks[frame], {1: "ball", 2: "ball"})
    settings = replace(SETTINGS, clip_seconds=2.0, trim_seconds=0.0)
    data = make_dataset(tmp_path / "made", [make_source(images, truth=truth)], settings)
    CJepaSlots().write(data, tmp_path / "out")
    export = Export(tmp_path / "out")
    held = 0
    for entry in export.document["clips"]:
        measured, seen = export.measured(entry), export.seen[entry["split"]][entry["key"]]
        for frame, slot in np.argwhere(~seen):
            before, now = measured[frame - 1, slot], measured[frame, slot]
            assert all_close(now[export.places["box"]], before[export.places["box"]], 1e-4)
            assert all_close(now[export.places["mask"]], before[export.places["mask"]], 1e-4)
            waited = now[export.places["unseen_for"]] - before[export.places["unseen_for"]]
            assert abs(waited[0] - 1) < 1e-3
            held += 1
    assert held == 3


def test_actions_have_the_frames_of_the_slots(data: Dataset, tmp_path: Path) -> None:
    CJepaSlots().write(data, tmp_path, actions=True, slots=3)
    names = ("slots", "seen", "actions", "proprio", "actions_known")
    slots, seen, actions, proprio, known = (unpickle(tmp_path / f"{name}.pkl") for name in names)
    document = json.loads((tmp_path / "slots.json").read_text())["clips"]
    # what was pressed is known of the game alone
    assert {data.clip(entry["clip"]).source.name for entry in document} == {"game"}
    left_out = {entry["clip"] for entry in json.loads((tmp_path / "maquette.json").read_text())["left_out"]}
    assert {clip.id for clip in data.clips() if clip.source.name != "game"} <= left_out
    for entry in document:
        clip, split, key = data.clip(entry["clip"]), entry["split"], entry["key"]
        # every frame: PushT's windows need 24
        assert slots[split][key].shape == (len(clip), 3, 128) and seen[split][key].shape == (len(clip), 3)
        first = clip.frames[0].source_frame
        assert all_close(actions[split][key][:-1], make_actions(24)[first : first + len(clip) - 1])
        assert known[split][key].tolist() == [True] * (len(clip) - 1) + [False]
        poses = [clip.world_from_cam(frame)[:3].ravel() for frame in range(len(clip))]  # type: ignore[index]
        assert all_close(proprio[split][key], poses)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_linear_predictor_of_moving_balls_beats_copying(balls: Path, frames: int) -> None:
    slots = unpickle(balls / "slots.pkl")
    clips = [array for split in slots.values() for array in split.values()]
    x, y = _cut(clips[4:], frames)
    x_new, y_new = _cut(clips[:4], frames)
    assert len(clips) == 12
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ (y - x[:, :128]))
    copied = ((x_new[:, :128] - y_new) ** 2).mean()
    predicted = ((x_new @ weights + x_new[:, :128] - y_new) ** 2).mean()
    # 0.2 is usual; on unseen clips
    assert predicted < 0.5 * copied


def _cut(clips: list[NDArray[Any]], step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two slots, the later first, and the one that follows, `step` frames apart."""
    now, before, after = (
        np.concatenate([clip[place].reshape(-1, 128) for clip in clips])
        for place in (slice(step, -step), slice(-2 * step), slice(2 * step, None))
    )
    return np.c_[now, before], after
