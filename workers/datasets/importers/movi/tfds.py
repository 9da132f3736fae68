"""MOVi / Kubric as TensorFlow Datasets keeps it, read without TensorFlow."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.movi.tfds import SPLITS
from workers.formats import tfrecord_reader
from workers.formats.tfrecord_reader import Feature

FEATURES_FILE, INFO_FILE = "features.json", "dataset_info.json"
CATEGORY_NAMES_FILE = "instances-category.labels.txt"
RECORD_FILE = re.compile(r"-(?P<split>\w+)\.tfrecord-(?P<number>\d+)-of-\d+$")
SPLITS_OF_TFDS = {theirs: ours for ours, theirs in SPLITS.items()}


def find_datasets(folder: Path) -> list[Path]:
    """The TFDS datasets in a folder: itself, or folders below it."""
    return sorted(path.parent for path in folder.rglob(FEATURES_FILE))


def read_examples(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each example of a TFDS dataset with its split, for `importers.movi.clips.import_example`.

    A split that is neither train nor validation becomes test. Raises DatasetError `dataset_missing` when
    there are no TFRecords, and `dataset_broken`.
    """
    features = json.loads((folder / FEATURES_FILE).read_text())
    if "video" not in features.get("featuresDict", {}).get("features", {}):
        raise DatasetError("dataset_broken", f"{folder} has no feature `video`: it is not a MOVi dataset")
    names_path = folder / CATEGORY_NAMES_FILE
    names = names_path.read_text().split("\n") if names_path.exists() else []
    files = [(path, match) for path in sorted(folder.iterdir()) if (match := RECORD_FILE.search(path.name))]
    if not files:
        raise DatasetError("dataset_missing", f"{folder} has no TFRecords")
    lengths = _read_shard_lengths(folder)
    for path, match in files:
        split = SPLITS_OF_TFDS.get(match["split"], "test")
        length = lengths.get((match["split"], int(match["number"])))
        try:
            for example in _read_file(path, names, length):
                yield split, example
        except (ValueError, KeyError, OSError) as error:
            raise DatasetError("dataset_broken", f"{path.name} cannot be read: {error!r}") from error


def _read_file(path: Path, names: Sequence[str], length: int | None) -> Iterator[dict[str, Any]]:
    """The examples of a file; raises ValueError when there are not `length`."""
    count = 0
    with path.open("rb") as file:
        for record in tfrecord_reader.read_records(file):
            yield parse_example(tfrecord_reader.parse_example(record), names)
            count += 1
    # a file that was cut after a record reads like a complete one
    if length is not None and count != length:
        raise ValueError(f"it has {count} of {length} records")


def _read_shard_lengths(folder: Path) -> dict[tuple[str, int], int]:
    """The number of examples of each file, by split and number; empty when the folder does not say."""
    if not (folder / INFO_FILE).exists():
        return {}
    info = json.loads((folder / INFO_FILE).read_text())
    return {
        (split["name"], number): int(length)
        for split in info.get("splits", ())
        for number, length in enumerate(split.get("shardLengths", ()))
    }


def parse_example(flat: Mapping[str, Feature], names: Sequence[str]) -> dict[str, Any]:
    """The features of one record with their shapes; `names` are those of the numbers of `category`."""
    video = _decode_images(flat["video"])
    frames = len(video)
    example: dict[str, Any] = {
        "video": video,
        "segmentations": _decode_images(flat["segmentations"])[..., None],
        "instances": _parse_instances(flat, frames, names),
        "camera": {
            **{name: np.asarray(flat[f"camera/{name}"])[0] for name in ("focal_length", "sensor_width")},
            "positions": np.asarray(flat["camera/positions"]).reshape(frames, 3),
            "quaternions": np.asarray(flat["camera/quaternions"]).reshape(frames, 4),
        },
        "metadata": {
            name.partition("/")[2]: value if "range" in name else value[0]
            for name, value in flat.items()
            if name.startswith("metadata/") and len(value)
        },
    }
    if "depth" in flat:
        example["depth"] = _decode_images(flat["depth"])[..., None]
    return example


def _parse_instances(flat: Mapping[str, Feature], frames: int, names: Sequence[str]) -> dict[str, Any]:
    quaternions = np.asarray(flat["instances/quaternions"]).reshape(-1, frames, 4)
    corners = np.asarray(flat["instances/bboxes_3d"]).reshape(len(quaternions), frames, 8, 3)
    instances: dict[str, Any] = {"quaternions": quaternions, "bboxes_3d": corners}
    category = flat.get("instances/category")
    if isinstance(category, list):
        instances["category"] = category
    elif category is not None and names:
        instances["category"] = [names[int(number)] for number in category]
    return instances


def _decode_images(values: Feature) -> NDArray[Any]:
    if not isinstance(values, list):
        raise ValueError("a feature of images holds numbers instead of bytes")
    images = []
    for data in values:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            images.append(np.asarray(image))
    return np.stack(images)
