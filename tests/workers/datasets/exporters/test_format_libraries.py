"""Exports read by the formats' own libraries, where they are installed: they are too heavy for CI."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.drawn_sets import load_edits
from tests.support.export_datasets import all_close, load_export_dataset
from workers.datasets.exporters import load_exporter
from workers.datasets.exporters.lerobot.layout import CAMERA
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

# of the libraries and of torch itself; what pyproject.toml ignores is ignored here too
pytestmark = pytest.mark.filterwarnings(
    "default", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning:pycocotools.mask"
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Libraries that like to call home, and to keep caches at home."""
    for name, value in (("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_CACHE", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    yield


@pytest.mark.slow
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


@pytest.mark.slow
def test_hugging_face_datasets_gives_pairs_with_what_changed(tmp_path: Path, quiet: None) -> None:
    datasets = pytest.importorskip("datasets")
    data = load_edits(tmp_path / "scenes")
    load_exporter("hf-datasets").write(data, tmp_path / "hf")
    loaded = datasets.load_dataset(str(tmp_path / "hf"), "changes", cache_dir=str(tmp_path / "cache"))
    rows = [row for split in loaded.values() for row in split]
    changes = [row for row in data.rows("changes") if row.edit != "none"]
    expected = {(row.clip, row.frame, row.track): row for row in changes}
    assert {row["edit"] for row in rows} == {row.edit for row in expected.values()}
    for row in rows:
        shown = data.clip(row["other_clip"]).image(row["other_frame"])
        assert np.array_equal(np.asarray(row["target_image"]), shown)
        pair = row["clip"], row["frame"]
        place = next(k for k, track in enumerate(row["tracks"]) if (*pair, track) in expected)
        change = expected[*pair, row["tracks"][place]]
        assert row["texts"][place] == change.text and change.text in row["text"]
        # unknown is null in every reader
        assert row["degrees"][place] == change.degrees and row["factors"][place] == change.factor


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


def test_lerobot_finds_every_frame(data: Dataset, tmp_path: Path, quiet: None) -> None:
    robots = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    out = tmp_path / "lerobot"
    load_exporter("lerobot").write(data, out, side=128)
    read = robots.LeRobotDataset("local/export", root=out, video_backend="pyav")
    assert read.num_episodes == len(data) and read.fps == 12
    place = 0
    for row in read.meta.episodes:
        clip = data.clip(row["clip"])
        transform = ImageTransform.fit(clip.size, (128, 128))
        for number in (0, row["length"] - 1):
            item = read[place + number]
            assert int(item["episode_index"]) == row["episode_index"] and int(item["frame_index"]) == number
            assert item["task"] == clip.captions[0].text
            assert bool(item["valid.action"]) == row["has_actions"]
            seen = item["observation.images.main"].permute(1, 2, 0).numpy() * 255
            assert np.abs(seen - transform.transform_image(clip.image(number))).mean() < 8
        place += row["length"]
    assert place == read.num_frames
    assert all_close(read.meta.stats["timestamp"]["max"], 11 / 12, 1e-4)


def test_lerobot_export_is_what_its_own_writer_makes(data: Dataset, tmp_path: Path, quiet: None) -> None:
    robots = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    import pyarrow.parquet as pq

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    load_exporter("lerobot").write(data, ours, side=64)
    read = robots.LeRobotDataset("local/export", root=ours, video_backend="pyav")
    info = json.loads((ours / "meta" / "info.json").read_text())
    default = ("timestamp", "frame_index", "episode_index", "index", "task_index")
    features = {name: feature for name, feature in info["features"].items() if name not in default}
    written = robots.LeRobotDataset.create(
        "local/oracle",
        fps=info["fps"],
        features={n: dict(f, info=None) for n, f in features.items()},
        root=theirs,
    )
    for place in range(read.num_frames):
        item = read[place]
        frame = {name: item[name].numpy() for name in features if name != CAMERA}
        frame |= {name: value.reshape(1) for name, value in frame.items() if value.ndim == 0}
        frame[CAMERA] = (item[CAMERA].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        written.add_frame({**frame, "task": item["task"]})
        if place + 1 == read.num_frames or int(read[place + 1]["frame_index"]) == 0:
            written.save_episode()
    written.finalize()

    def types(folder: Path, file: str) -> dict[str, str]:
        schema = pq.read_schema(folder / file)
        # the reader gets the length of lists from `info.json`
        kinds = (re.sub(r"fixed_size_|(element|item)?: |\[\d+\]", "", str(kind)) for kind in schema.types)
        return dict(zip(schema.names, kinds, strict=True))

    steps, episodes = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
    assert types(ours, steps) == types(theirs, steps)
    extra = {"clip", "split", "frame_rate", "scale_source", "has_actions"}
    mine, own = types(ours, episodes), types(theirs, episodes)
    assert set(mine) - set(own) == extra and {name: mine[name] for name in own} == own
    assert pq.read_table(ours / steps).to_pylist() == pq.read_table(theirs / steps).to_pylist()
    tasks = [pq.read_table(folder / "meta" / "tasks.parquet").to_pylist() for folder in (ours, theirs)]
    assert tasks[0] == tasks[1]
    oracle = json.loads((theirs / "meta" / "info.json").read_text())
    for name in oracle.keys() - {"features"}:
        assert info[name] == oracle[name] or name == "splits", name
    assert {n: (f["dtype"], f["shape"], f["names"]) for n, f in info["features"].items()} == {
        n: (f["dtype"], f["shape"], f["names"]) for n, f in oracle["features"].items()
    }
    stats = [json.loads((folder / "meta" / "stats.json").read_text()) for folder in (ours, theirs)]
    assert stats[0].keys() == stats[1].keys()
    for name in ("timestamp", "frame_index", "index"):
        for statistic in ("min", "max", "mean", "std", "count"):
            assert all_close(stats[0][name][statistic], stats[1][name][statistic], 1e-4)
    for name, values in stats[0].items():
        assert values.keys() == stats[1][name].keys()
        assert all(np.shape(values[each]) == np.shape(stats[1][name][each]) for each in values)


def test_a_lance_export_that_was_killed_encodes_no_clip_twice(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lance = pytest.importorskip("lance")
    exporter, encoded, most = load_exporter("stable-worldmodel-lance"), [], 2
    original = type(exporter)._encode_frames

    def encode(self: Any, clip: SceneClip) -> Any:
        if len(encoded) == most:
            raise KeyboardInterrupt
        encoded.append(clip.id)
        return original(self, clip)

    monkeypatch.setattr(type(exporter), "_encode_frames", encode)
    # the environment of `make test-train` does not have the service
    monkeypatch.setattr("workers.datasets.exporters.base.version", lambda name: "1")
    # Lance has an exception of its own for what ends a stream
    with pytest.raises(BaseException):  # noqa: B017
        exporter.write(data, tmp_path / "killed", side=64, resume=True)
    assert len(encoded) == most
    most = len(data)
    exporter.write(data, tmp_path / "killed", side=64, resume=True)
    assert sorted(encoded) == sorted(row.clip for row in data.clip_rows if row.kept)
    most = 2 * len(data)
    exporter.write(data, tmp_path / "whole", side=64)
    for split in ("train", "val"):
        tables = [
            lance.dataset(str(tmp_path / name / f"{split}.lance")).to_table() for name in ("killed", "whole")
        ]
        # as text, in which unknown actions are equal
        assert repr(tables[0].to_pylist()) == repr(tables[1].to_pylist())
