"""Exports read by the formats' own libraries, where they are installed: they are too heavy for CI."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.export_datasets import all_close, load_export_dataset
from workers.datasets.exporters import load_exporter
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.reader import Dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Libraries that like to call home, and to keep caches at home."""
    for name, value in (("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_CACHE", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    yield


def test_hugging_face_datasets_gives_images(data: Dataset, tmp_path: Path, quiet: None) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "hf"
    load_exporter("hf-datasets").write(data, out)
    for loaded in (
        datasets.load_dataset(str(out), cache_dir=str(tmp_path / "one")),
        datasets.load_dataset(
            "parquet",
            data_files={split: str(out / "data" / f"{split}-*.parquet") for split in ("train", "val")},
            cache_dir=str(tmp_path / "two"),
        ),
    ):
        assert set(loaded) == {"train", "val"}
        for split in loaded:
            assert len(loaded[split]) == sum(len(clip) for clip in data.clips(split))
            row = loaded[split][7]
            clip = data.clip(row["clip"])
            assert np.array_equal(np.asarray(row["image"]), clip.image(row["frame"]))
            assert row["tracks"] == [item.track for item in clip.frame_observations(row["frame"])]


def test_lance_tables_have_a_row_a_step(data: Dataset, tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    load_exporter("stable-worldmodel-lance").write(data, tmp_path, side=256)
    for split in ("train", "val"):
        rows = lance.dataset(str(tmp_path / f"{split}.lance")).to_table().to_pylist()
        clips = list(data.clips(split))
        assert [(row["episode_idx"], row["step_idx"]) for row in rows] == [
            (number, step) for number, clip in enumerate(clips) for step in range(len(clip))
        ]
        for row in rows:
            clip = clips[row["episode_idx"]]
            if clip.size == (256, 256):
                assert row["pixels"] == clip.frames[row["step_idx"]].jpeg
            known = clip.source.name == "game" and row["step_idx"] < len(clip) - 1
            assert np.isfinite(row["action"]).all() == known


@pytest.mark.parametrize("stored", ["hdf5", "lance"])
def test_stable_worldmodel_loads_chunks(data: Dataset, tmp_path: Path, stored: str) -> None:
    swm = pytest.importorskip("stable_worldmodel.data")
    if stored == "hdf5" and not hasattr(swm, "HDF5Dataset"):
        pytest.skip("stable-worldmodel was installed without its extra for HDF5")
    name = "stable-worldmodel" + ("-lance" if stored == "lance" else "")
    load_exporter(name).write(data, tmp_path, side=128)
    clips = list(data.clips("train"))
    if stored == "hdf5":
        read = swm.HDF5Dataset(path=tmp_path / "train.h5", num_steps=4)
    else:
        read = swm.LanceDataset(path=str(tmp_path / "train.lance"), num_steps=4)
    assert list(read.lengths) == [len(clip) for clip in clips]
    assert len(read) == sum(len(clip) - 3 for clip in clips)
    step = read[3]
    assert tuple(step["pixels"].shape) == (4, 3, 128, 128) and step["action"].shape[0] == 4
    transform = ImageTransform.fit(clips[0].size, (128, 128))
    seen = step["pixels"][2].permute(1, 2, 0).numpy().astype(int)
    error = np.abs(seen - transform.transform_image(clips[0].image(5))).mean()
    assert error == 0 if stored == "hdf5" else error < 3


def test_lerobot_finds_every_frame(
    data: Dataset, tmp_path: Path, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    robots = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    out = tmp_path / "lerobot"
    load_exporter("lerobot").write(data, out, side=128)
    if not hasattr(sys.modules["torchvision"].io, "VideoReader"):
        # its own decoders need torchcodec or an older torchvision; times are checked all the same
        monkeypatch.setattr(robots, "decode_video_frames", _by_pyav)
    read = robots.LeRobotDataset("local/export", root=out, video_backend="pyav")
    assert read.num_episodes == len(data) and read.fps == 12
    place = 0
    for episode in range(read.num_episodes):
        clip = data.clip(read.meta.episodes[episode]["clip"])
        transform = ImageTransform.fit(clip.size, (128, 128))
        for number in (0, len(clip) - 1):
            item = read[place + number]
            assert int(item["episode_index"]) == episode and int(item["frame_index"]) == number
            assert item["task"] == clip.captions[0].text
            seen = item["observation.images.main"].permute(1, 2, 0).numpy() * 255
            assert np.abs(seen - transform.transform_image(clip.image(number))).mean() < 8
        place += len(clip)
    assert all_close(read.meta.stats["timestamp"]["max"], 11 / 12, 1e-4)


def _by_pyav(path: Any, timestamps: list[float], tolerance: float, *_: Any, **__: Any) -> Any:
    import av
    import torch

    with av.open(str(path)) as video:
        frames = [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in video.decode(video=0)]
    collected = []
    for when in timestamps:
        time, pixels = min(frames, key=lambda item: abs(item[0] - when))
        assert abs(time - when) < tolerance
        collected.append(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    return torch.stack(collected)
