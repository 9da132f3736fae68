"""Formats of world models and robots: pixels, actions and slots, each as its own reader slices them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import webdataset
from numpy.typing import NDArray

from tests.support.export_datasets import NAMES, all_close, load_export_dataset, make_actions
from tests.support.media_files import decode_video
from workers.datasets.exporters.cjepa.video import CJepa
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.shared.categories import get_category_name, number_categories
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.exporters.stable_worldmodel import StableWorldModel
from workers.datasets.exporters.tinyworlds import TinyWorlds
from workers.datasets.exporters.vpt import Vpt, build_lines
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ActionRow

# WebDataset leaves it to the garbage collector to close its shards
pytestmark = pytest.mark.filterwarnings(r"ignore:unclosed file .*\.tar:ResourceWarning")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


def test_stable_worldmodel_episodes_are_the_clips(data: Dataset, tmp_path: Path) -> None:
    StableWorldModel().write(data, tmp_path, side=96)
    for split in ("train", "val"):
        with h5py.File(tmp_path / f"{split}.h5", "r", swmr=True) as file:
            clips = list(data.clips(split))
            steps = sum(len(clip) for clip in clips)
            columns = [name for name in file if name not in ("ep_len", "ep_offset")]
            assert all(len(file[name]) == steps for name in columns)
            assert file["pixels"].chunks == (1, 96, 96, 3)
            for clip, length, offset in zip(clips, file["ep_len"], file["ep_offset"], strict=True):
                assert length == len(clip)
                pixels = file["pixels"][offset : offset + length]
                transform = ImageTransform.fit(clip.size, (96, 96))
                for number in range(length):
                    assert np.array_equal(pixels[number], transform.transform_image(clip.image(number)))
                action = file["action"][offset : offset + length]
                assert np.isnan(action[-1]).all()
                if clip.source.name == "game":
                    first = clip.frames[0].source_frame
                    assert all_close(action[:-1], make_actions(24)[first : first + length - 1])
                else:
                    # ego-motion is no recorded action: what was pressed there is unknown
                    assert np.isnan(action).all()
            assert list(file["action"].attrs["names"]) == list(NAMES)
            times = file["timestamp"][:]
            assert all_close(np.diff(times[: len(clips[0])]), 1 / 12, 2e-3)


def test_tinyworlds_has_one_file_with_all_frames(data: Dataset, tmp_path: Path) -> None:
    TinyWorlds().write(data, tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*.h5")) == ["train.h5", "val.h5"]
    for split in ("train", "val"):
        with h5py.File(tmp_path / f"{split}.h5") as file:
            frames, clips = file["frames"][:], list(data.clips(split))
            assert frames.shape == (sum(map(len, clips)), 64, 64, 3) and frames.dtype == np.uint8
            assert file["ep_len"][:].tolist() == [len(clip) for clip in clips]
            for clip, offset in zip(clips, file["ep_offset"][:], strict=True):
                transform = ImageTransform.fit(clip.size, (64, 64))
                for number in range(len(clip)):
                    assert np.array_equal(
                        frames[offset + number], transform.transform_image(clip.image(number))
                    )


def test_tinyworlds_can_have_one_file_a_clip(data: Dataset, tmp_path: Path) -> None:
    TinyWorlds().write(data, tmp_path, files="clip")
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.h5"))
    assert {(path.parts[0], path.stem) for path in files} == {(c.row.split, c.id) for c in data.clips()}
    clip = next(data.clips())
    with h5py.File(tmp_path / clip.row.split / f"{clip.id}.h5") as file:
        transform = ImageTransform.fit(clip.size, (64, 64))
        assert np.array_equal(file["frames"][5], transform.transform_image(clip.image(5)))
        assert len(file["frames"]) == len(clip) and file["frames"].attrs["fps"] == clip.row.frame_rate


def test_vpt_has_a_line_for_every_frame_of_the_video(data: Dataset, tmp_path: Path) -> None:
    Vpt().write(data, tmp_path)
    for clip in data.clips():
        stem = tmp_path / clip.row.split / clip.id
        frames = decode_video(stem.with_suffix(".mp4"))
        lines = [json.loads(line) for line in stem.with_suffix(".jsonl").read_text().splitlines()]
        by_frame = {row.frame: row for row in clip.actions if row.kind == "recorded"}
        # VPT's loader takes every line for an action: what the last frame led to was not recorded
        assert len(frames) == len(clip) == len(lines) + bool(by_frame)
        assert all_close([time for time, _ in frames], np.arange(len(clip)) / 12, 1e-4)
        error = [np.abs(seen.astype(int) - clip.image(k)).mean() for k, (_, seen) in enumerate(frames)]
        assert max(error) < 6
        for frame, line in enumerate(lines):
            row = by_frame.get(frame)
            assert line["action"] == (None if row is None else dict(zip(row.names, row.values, strict=True)))
            stated = {"mouse", "keyboard", "hotbar", "isGuiOpen"} & set(line)
            assert len(stated) == (0 if row is None else 4)
            if row is not None:
                assert (line["mouse"]["dx"], line["mouse"]["dy"]) == (row.values[0], 0)
                assert line["keyboard"]["keys"] == (["key.keyboard.w"] if row.values[1] else [])
                assert (line["hotbar"], line["isGuiOpen"]) == (0, False)
        if not by_frame:
            assert lines[-1]["action"] is None and lines[-1]["ego_motion"] is None


def test_vpt_marks_newly_pressed_buttons(data: Dataset) -> None:
    clip = next(clip for clip in data.clips() if clip.source.name == "game")
    names = ("button.0", "button.2", "hotbar", "gui")
    pressed = [(1, 0, 3, 0), (1, 1, 3, 1), (0, 1, 4, 0), (1, 0, 4, 0)]
    rows = [
        ActionRow(clip=clip.id, frame=frame, kind="recorded", names=names, values=values)
        for frame, values in enumerate(pressed)
    ]
    tables = {"frames": clip.frames, "actions": rows, "cameras": clip.cameras}
    lines = build_lines(SceneClip.from_tables(clip.row, clip.source, tables))
    assert len(lines) == len(pressed)
    assert [line["mouse"]["buttons"] for line in lines] == [[0], [0, 2], [2], [0]]
    assert [line["mouse"]["newButtons"] for line in lines] == [[0], [2], [], [0]]
    assert [(line["hotbar"], line["isGuiOpen"]) for line in lines] == [
        (3, False),
        (3, True),
        (4, False),
        (4, False),
    ]


def test_cjepa_slots_are_anchored_in_the_first_frame(data: Dataset, tmp_path: Path) -> None:
    CJepa().write(data, tmp_path, side=128)
    numbers = number_categories(ExportWriter(data, tmp_path))
    orders = []
    for split in ("train", "val"):
        shard = str(tmp_path / f"{split}-000000.tar")
        samples = {s["__key__"]: s for s in webdataset.WebDataset(shard, shardshuffle=False).decode()}
        for clip in data.clips(split):
            video = samples[clip.id]["video.npy"]
            slots = samples[clip.id]["segmentations.npy"]
            anchored = [row.track for row in clip.frame_observations(0)]
            assert video.shape == (len(clip), 128, 128, 3) and video.dtype == np.uint8
            assert slots.shape == (len(clip), 128, 128, len(anchored))
            assert (slots[0] > 0).any(axis=(0, 1)).all()
            transform = ImageTransform.fit(clip.size, (128, 128))
            named = {track.track: get_category_name(track) for track in clip.tracks}
            order = []
            for slot in range(slots.shape[-1]):
                mine = [
                    t
                    for t in anchored
                    if np.array_equal(slots[0, ..., slot] > 0, _mask(clip, transform, 0, t))
                ]
                assert len(mine) == 1
                order.append(mine[0])
                for number in range(len(clip)):
                    expected = _mask(clip, transform, number, mine[0]) * numbers[named[mine[0]]]
                    assert np.array_equal(slots[number, ..., slot], expected)
            assert sorted(order) == anchored
            orders.append(order == anchored)
    # shuffled: not every clip keeps the order of its tracks
    assert not all(orders)


def _mask(clip: SceneClip, transform: ImageTransform, number: int, track: int) -> NDArray[np.bool_]:
    rows = [row for row in clip.frame_observations(number) if row.track == track]
    return transform.transform_mask(clip.mask(rows[0])) if rows else np.zeros(transform.size, bool)
