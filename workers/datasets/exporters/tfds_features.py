"""`features.json` and `dataset_info.json` of TensorFlow Datasets, written without it.

Both are JSON of its protocol buffers (tensorflow_datasets/core/proto/feature.proto and dataset_info.proto); a
class is found again by the name that stands beside each feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_FEATURES = "tensorflow_datasets.core.features"
RECORDS = "tfrecord"


@dataclass(frozen=True, slots=True)
class TfdsSplit:
    """A split: its name in TFDS, its records' bytes, and the number of examples in each file."""

    name: str
    bytes: int
    lengths: Sequence[int]


def text() -> Json:
    """A string."""
    return {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}


def tensor(dtype: str, *shape: int) -> Json:
    """Numbers of a known shape."""
    told = {"shape": _shape(shape), "dtype": dtype, "encoding": "none"}
    return {"pythonClassName": f"{_FEATURES}.tensor_feature.Tensor", "tensor": told}


def box() -> Json:
    """A box, y0 x0 y1 x1 in shares of the picture."""
    told = {"shape": _shape((4,)), "dtype": "float32", "bboxFormat": "REL_YXYX"}
    return {"pythonClassName": f"{_FEATURES}.bounding_boxes.BBoxFeature", "boundingBox": told}


def images(dtype: str, frames: int, height: int, width: int, channels: int) -> Json:
    """A sequence of PNGs."""
    told = {"shape": _shape((height, width, channels)), "dtype": dtype, "encodingFormat": "png"}
    return sequence({"pythonClassName": f"{_FEATURES}.image_feature.Image", "image": told}, frames)


def video(frames: int, height: int, width: int) -> Json:
    """RGB frames as PNGs."""
    told = {"shape": _shape((frames, height, width, 3)), "dtype": "uint8", "encodingFormat": "png"}
    return {"pythonClassName": f"{_FEATURES}.video_feature.Video", "video": told}


def sequence(feature: Json, length: int = -1) -> Json:
    """Any number of a feature, or `length`."""
    told = {"feature": feature, "length": str(length)}
    return {"pythonClassName": f"{_FEATURES}.sequence_feature.Sequence", "sequence": told}


def features(parts: Mapping[str, Json]) -> Json:
    """Features by name."""
    named = {"features": dict(sorted(parts.items()))}
    return {"pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict", "featuresDict": named}


def file_name(dataset: str, split: str, number: int, count: int) -> str:
    """What TFDS calls the file of a split."""
    return f"{dataset}-{split}.{RECORDS}-{number:05d}-of-{count:05d}"


def dataset_info(
    dataset: str, config: str, version: str, told: str, licence: str, splits: Sequence[TfdsSplit]
) -> Json:
    """`dataset_info.json`."""
    return {
        "name": dataset,
        "configName": config,
        "configDescription": told,
        "description": told,
        "version": version,
        "fileFormat": RECORDS,
        "redistributionInfo": {"license": licence},
        "splits": [
            {
                "name": split.name,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(split.bytes),
                "shardLengths": [str(length) for length in split.lengths],
            }
            for split in splits
        ],
    }


def _shape(shape: Sequence[int]) -> Json:
    return {"dimensions": [str(length) for length in shape]} if shape else {}
