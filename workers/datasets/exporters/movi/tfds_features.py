"""`features.json` and `dataset_info.json` of TensorFlow Datasets, written without it.

Both are JSON of its protocol buffers (tensorflow_datasets/core/proto/feature.proto and dataset_info.proto);
TFDS finds the class of each feature by the name that stands beside it. A function here returns the JSON of
one feature and is called as TFDS calls the feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_FEATURES = "tensorflow_datasets.core.features"
FILE_FORMAT = "tfrecord"


@dataclass(frozen=True, slots=True)
class TfdsSplit:
    """A split: its name in TFDS, the bytes of its records, and the number of examples in each file."""

    name: str
    bytes: int
    lengths: Sequence[int]


def text() -> Json:
    """A string."""
    return {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}


def tensor(dtype: str, *shape: int) -> Json:
    """Numbers of a fixed shape."""
    content = {"shape": _encode_shape(shape), "dtype": dtype, "encoding": "none"}
    return {"pythonClassName": f"{_FEATURES}.tensor_feature.Tensor", "tensor": content}


def box() -> Json:
    """A box, y0 x0 y1 x1 over the height and width of the image."""
    content = {"shape": _encode_shape((4,)), "dtype": "float32", "bboxFormat": "REL_YXYX"}
    return {"pythonClassName": f"{_FEATURES}.bounding_boxes.BBoxFeature", "boundingBox": content}


def images(dtype: str, frames: int, height: int, width: int, channels: int) -> Json:
    """A sequence of PNGs."""
    content = {"shape": _encode_shape((height, width, channels)), "dtype": dtype, "encodingFormat": "png"}
    return sequence({"pythonClassName": f"{_FEATURES}.image_feature.Image", "image": content}, frames)


def video(frames: int, height: int, width: int) -> Json:
    """RGB frames as PNGs."""
    content = {"shape": _encode_shape((frames, height, width, 3)), "dtype": "uint8", "encodingFormat": "png"}
    return {"pythonClassName": f"{_FEATURES}.video_feature.Video", "video": content}


def sequence(feature: Json, length: int = -1) -> Json:
    """`length` values of a feature, or any number."""
    content = {"feature": feature, "length": str(length)}
    return {"pythonClassName": f"{_FEATURES}.sequence_feature.Sequence", "sequence": content}


def features(parts: Mapping[str, Json]) -> Json:
    """Features by name."""
    content = {"features": dict(sorted(parts.items()))}
    return {"pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict", "featuresDict": content}


def format_file_name(dataset: str, split: str, number: int, count: int) -> str:
    """The name that TFDS gives to file `number` of the `count` files of a split."""
    return f"{dataset}-{split}.{FILE_FORMAT}-{number:05d}-of-{count:05d}"


def build_dataset_info(
    *, dataset: str, config: str, version: str, description: str, licence: str, splits: Sequence[TfdsSplit]
) -> Json:
    """`dataset_info.json`."""
    return {
        "name": dataset,
        "configName": config,
        "configDescription": description,
        "description": description,
        "version": version,
        "fileFormat": FILE_FORMAT,
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


def _encode_shape(shape: Sequence[int]) -> Json:
    return {"dimensions": [str(length) for length in shape]} if shape else {}
