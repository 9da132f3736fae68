"""MOVi / Kubric as TensorFlow Datasets keeps it, read without TensorFlow."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.movi.tfds import SPLITS
from workers.formats import tfrecord_reader
from workers.formats.tfrecord_reader import Feature

FEATURES, INFO = "features.json", "dataset_info.json"
NAMES = "instances-category.labels.txt"
FILE = re.compile(r"-(?P<split>\w+)\.tfrecord-(?P<number>\d+)-of-\d+$")
OURS = {theirs: ours for ours, theirs in SPLITS.items()}


def find_datasets(folder: Path) -> list[Path]:
    """The datasets of TFDS in a folder, itself or below."""
    return sorted(path.parent for path in folder.rglob(FEATURES))


def read_examples(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each example of a dataset of TFDS with its split, as `importers.movi.from_example` takes it.

    Splits that are none of train and validation are test. Raises DatasetError `dataset_missing` where there
    are no TFRecords, and `dataset_broken`.
    """
    told = json.loads((folder / FEATURES).read_text())
    if "video" not in told.get("featuresDict", {}).get("features", {}):
        raise DatasetError("dataset_broken", f"{folder} has no feature `video`: it is not of MOVi's kind")
    names = (folder / NAMES).read_text().split("\n") if (folder / NAMES).exists() else []
    files = [(path, found) for path in sorted(folder.iterdir()) if (found := FILE.search(path.name))]
    if not files:
        raise DatasetError("dataset_missing", f"{folder} holds no TFRecords")
    lengths = _lengths(folder)
    for path, found in files:
        split, count = OURS.get(found["split"], "test"), 0
        try:
            with path.open("rb") as file:
                for record in tfrecord_reader.read_records(file):
                    yield split, parse_example(tfrecord_reader.parse_example(record), names)
                    count += 1
            # a file that ends after a record looks whole
            if count != lengths.get((found["split"], int(found["number"])), count):
                raise ValueError(f"{count} records are not all")
        except (ValueError, KeyError, OSError) as error:
            raise DatasetError("dataset_broken", f"{path.name} cannot be read: {error!r}") from error


def _lengths(folder: Path) -> dict[tuple[str, int], int]:
    """How many examples each file of a split has, as far as the folder tells."""
    if not (folder / INFO).exists():
        return {}
    told = json.loads((folder / INFO).read_text())
    return {
        (split["name"], number): int(length)
        for split in told.get("splits", ())
        for number, length in enumerate(split.get("shardLengths", ()))
    }


def parse_example(flat: dict[str, Feature], names: Sequence[str]) -> dict[str, Any]:
    """The features of one record with their shapes; `names` are those of the numbers of `category`."""
    video = _pictures(flat["video"])
    frames = len(video)
    quaternions = np.asarray(flat["instances/quaternions"]).reshape(-1, frames, 4)
    count = len(quaternions)
    instances: dict[str, Any] = {
        "quaternions": quaternions,
        "bboxes_3d": np.asarray(flat["instances/bboxes_3d"]).reshape(count, frames, 8, 3),
    }
    category = flat.get("instances/category")
    if isinstance(category, list):
        instances["category"] = category
    elif category is not None and names:
        instances["category"] = [names[int(number)] for number in category]
    made: dict[str, Any] = {
        "video": video,
        "segmentations": _pictures(flat["segmentations"])[..., None],
        "instances": instances,
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
        made["depth"] = _pictures(flat["depth"])[..., None]
    return made


def _pictures(values: Feature) -> NDArray[Any]:
    if not isinstance(values, list):
        raise ValueError("pictures are no bytes")
    made = []
    for data in values:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            made.append(np.asarray(picture))
    return np.stack(made)
