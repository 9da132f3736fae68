"""MOVi as TensorFlow Datasets: records by the wire format alone, and by TFDS itself where it is installed."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.export_datasets import all_close, load_export_dataset
from tests.support.tfrecords import read_examples
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.movi.tfds import MoviTfds
from workers.datasets.importers.movi.clips import import_example
from workers.datasets.importers.movi.folders import import_folder
from workers.datasets.importers.movi.tfds import parse_example
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.verification import verify

SPLITS = {"train": "train", "validation": "val", "test": "test"}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def out(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movi-tfds")
    MoviTfds().write(data, folder, examples=1)
    return folder


def read(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The examples of one dataset of TFDS, with their split in our words."""
    info = json.loads((folder / "dataset_info.json").read_text())
    collected = []
    for split in info["splits"]:
        for number, length in enumerate(split["shardLengths"]):
            count = len(split["shardLengths"])
            name = f"{info['name']}-{split['name']}.tfrecord-{number:05d}-of-{count:05d}"
            mine = read_examples((folder / name).read_bytes())
            assert len(mine) == int(length)
            collected += [(SPLITS[split["name"]], example) for example in mine]
        assert int(split["numBytes"]) > 0
    return collected


def decode_images(values: list[bytes]) -> Any:
    return np.stack([np.asarray(Image.open(io.BytesIO(value))) for value in values])


def test_every_shape_of_clip_is_a_dataset_with_each_clip_once(data: Dataset, out: Path) -> None:
    folders = sorted(path.parent.parent.name for path in out.glob("*/1.0.0/features.json"))
    assert folders == ["12x120x160", "12x256x256"]
    collected = []
    for folder in out.glob("*/1.0.0"):
        for split, example in read(folder):
            (name,) = example["metadata/video_name"]
            clip = data.clip(name.decode())
            assert clip.row.split == split
            assert f"{len(clip)}x{clip.size[0]}x{clip.size[1]}" == folder.parent.name
            collected.append(clip.id)
    left_out = {item["clip"] for item in json.loads((out / "maquette.json").read_text())["left_out"]}
    assert sorted(collected) == sorted({clip.id for clip in data.clips()} - left_out)
    assert len(collected) == 6 and len(left_out) == 2


def test_examples_hold_pixels_masks_depth_and_boxes(data: Dataset, out: Path) -> None:
    for _, example in read(out / "12x256x256" / "1.0.0"):
        clip = data.clip(example["metadata/video_name"][0].decode())
        order = {track.track: number for number, track in enumerate(clip.tracks)}
        count = len(clip)
        video, ids = decode_images(example["video"]), decode_images(example["segmentations"])
        low, high = example["metadata/depth_range"]
        distance = decode_images(example["depth"]) / 65535 * (high - low) + low
        corners = example["instances/bboxes_3d"].reshape(len(order), count, 8, 3)
        for frame in range(count):
            assert np.array_equal(video[frame], clip.image(frame))
            depth = clip.depth(frame)
            assert depth is not None and np.all(distance[frame] >= depth - (high - low) / 65535)
            for row in clip.frame_observations(frame):
                assert np.array_equal(ids[frame] == order[row.track] + 1, clip.mask(row))
                assert all_close(corners[order[row.track], frame], clip.corners(row, world=True), 1e-5)
        lengths = example["instances/bboxes/ragged_row_lengths_0"]
        flat = example["instances/bboxes/ragged_flat_values"].reshape(-1, 4)
        frames = example["instances/bbox_frames/ragged_flat_values"]
        assert list(lengths) == list(example["instances/bbox_frames/ragged_row_lengths_0"])
        stated = {
            (number, int(frames[place])): flat[place]
            for number, start, length in zip(
                range(len(order)), np.cumsum(lengths) - lengths, lengths, strict=True
            )
            for place in range(start, start + length)
        }
        assert stated.keys() == {(order[row.track], row.frame) for row in clip.observations}
        for row in clip.observations:
            box = np.array([row.y0, row.x0, row.y1, row.x1]) / 256
            assert all_close(stated[order[row.track], row.frame], box, 1e-6)


def test_features_describe_the_examples(out: Path) -> None:
    for folder in out.glob("*/1.0.0"):
        (_, example), *_ = read(folder)
        document = _leaves(json.loads((folder / "features.json").read_text()))
        names = {name.removesuffix("/ragged_flat_values") for name in example if "row_lengths" not in name}
        assert set(document) == names
        instances = len(example["instances/track"])
        for name, (kind, shape) in document.items():
            if kind == "tensor":
                count = int(np.prod(shape)) * (instances if name.startswith("instances/") else 1)
                values = example.get(name, example.get(f"{name}/ragged_flat_values"))
                assert values is not None and (len(values) == count or "bbox_frames" in name)


def _leaves(feature: dict[str, Any], path: str = "") -> dict[str, tuple[str, list[int]]]:
    if "featuresDict" in feature:
        parts = feature["featuresDict"]["features"].items()
        return {key: kind for name, part in parts for key, kind in _leaves(part, f"{path}/{name}").items()}
    if "sequence" in feature:
        return _leaves(feature["sequence"]["feature"], path)
    (kind,) = set(feature) - {"pythonClassName"}
    shape = feature[kind].get("shape", {}).get("dimensions", [])
    return {path.strip("/"): (kind, [int(length) for length in shape])}


def test_depth_stays_out_where_one_clip_of_the_shape_has_none(data: Dataset, out: Path) -> None:
    (_, example), *_ = read(out / "12x120x160" / "1.0.0")
    assert "depth" not in example and "metadata/depth_range" not in example
    assert all(clip.depth(0) is None for clip in data.clips() if clip.size == (120, 160)), (
        "the balls have no depth"
    )


def same(clip: SceneClip, back: SceneClip) -> None:
    """A clip that was exported, and what the importer makes of it."""
    assert (back.source.name, back.source.licence) == (clip.id, clip.source.licence)
    assert back.row.frame_rate == pytest.approx(clip.row.frame_rate)
    assert (back.row.camera_source, back.row.scale_source) == (clip.row.camera_source, clip.row.scale_source)
    order = {track.track: number for number, track in enumerate(clip.tracks, 1)}
    assert [track.label for track in back.tracks] == [track.concept for track in clip.tracks]
    for frame in range(len(clip)):
        assert all_close(back.intrinsics(frame), clip.intrinsics(frame), 1e-3)
        assert all_close(back.world_from_cam(frame), clip.world_from_cam(frame))  # type: ignore[arg-type]
        before, after = clip.depth(frame), back.depth(frame)
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert float(np.nanmax(np.abs(before - after))) < 2e-3
        for row, other in zip(clip.frame_observations(frame), back.frame_observations(frame), strict=True):
            assert order[row.track] == other.track
            assert np.array_equal(clip.mask(row), back.mask(other))
            corners, actual = clip.corners(row), back.corners(other)
            assert (corners is None) == (actual is None)
            assert corners is None or actual is None or all_close(corners, actual, 1e-4)


def test_it_is_imported_without_tensorflow(data: Dataset, out: Path, tmp_path: Path) -> None:
    folder = Dataset(import_folder(out, tmp_path / "back"))
    assert verify(folder.folder) == []
    clips = {clip.source.name: clip for clip in folder.clips()}
    assert len(clips) == 6
    for name, back in clips.items():
        assert name is not None
        assert back.row.split == data.clip(name).row.split
        same(data.clip(name), back)


def test_numbers_of_categories_have_names_in_a_file_beside(out: Path) -> None:
    folder = out / "12x256x256" / "1.0.0"
    (_, flat), *_ = read(folder)
    flat["instances/category"] = np.arange(len(flat["instances/category"]))[::-1]
    names = ["cube", "ball", "cone", "torus"]
    stated = parse_example(flat, names)["instances"]["category"]
    assert stated == names[: len(stated)][::-1]
    assert "category" not in parse_example(flat, [])["instances"]


def test_broken_folders_of_tfds_are_refused(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "movi" / "1.0.0"
    shutil.copytree(out / "12x120x160" / "1.0.0", folder)
    [file, *_] = folder.glob("*.tfrecord-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="damaged") as broken:
        import_folder(tmp_path, tmp_path / "out")
    assert broken.value.code == "dataset_broken"
    file.write_bytes(b"")
    with pytest.raises(DatasetError, match="it has 0 of 1 records"):
        import_folder(tmp_path, tmp_path / "out")
    for path in folder.glob("*.tfrecord-*"):
        path.unlink()
    with pytest.raises(DatasetError) as missing:
        import_folder(tmp_path, tmp_path / "out")
    assert missing.value.code == "dataset_missing"
    (folder / "features.json").write_text("{}")
    with pytest.raises(DatasetError, match="no feature `video`"):
        import_folder(tmp_path, tmp_path / "out")


def test_tensorflow_datasets_reads_it_and_the_importer_takes_it(data: Dataset, out: Path) -> None:
    pytest.importorskip("tensorflow", reason="TFDS reads with TensorFlow, which is not installed")
    tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow_datasets is not installed")
    collected = []
    for folder in sorted(out.glob("*/1.0.0")):
        builder = tfds.builder_from_directory(str(folder))
        shape = "x".join(str(length) for length in builder.info.features["video"].shape)
        assert shape == f"{folder.parent.name}x3"
        for split in builder.info.splits:
            read_back = list(tfds.as_numpy(builder.as_dataset(split=split)))
            assert len(read_back) == builder.info.splits[split].num_examples
            for example in read_back:
                clip = data.clip(example["metadata"]["video_name"].decode())
                assert clip.row.split == SPLITS[split]
                assert np.array_equal(example["video"], [clip.image(n) for n in range(len(clip))])
                seen = [int(row.area) for row in clip.observations if row.frame == 0]
                assert sorted(value for value in example["instances"]["visibility"][:, 0] if value) == sorted(
                    seen
                )
                same(clip, import_example(example, split=clip.row.split))
                collected.append(clip.id)
    assert len(collected) == len(set(collected)) == 6
