"""MOVi / Kubric as TensorFlow Datasets keeps it: TFRecords with features.json and dataset_info.json."""

import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.exporters import tfds_features as tfds
from workers.datasets.exporters.base import Exporter, ExportWriter
from workers.datasets.exporters.movi import build_example, has_centred_camera
from workers.datasets.scene_clip import SceneClip
from workers.formats import tfrecord

NAME, VERSION = "maquette_movi", "1.0.0"
# as TFDS calls the splits
SPLITS = {"train": "train", "val": "validation", "test": "test"}
Shape = tuple[int, int, int]
INSTANCES = 255


@dataclass(frozen=True)
class MoviTfds(Exporter):
    """`<frames>x<height>x<width>/1.0.0/`, a dataset of TFDS for each shape of clip, because TFDS wants one.

    Features have the names, shapes and types of MOVi's (Kubric's `challenges/movi`); `examples` go into a
    file. Besides there are `instances/category`, `instances/track`, and in `metadata` the clip's frame rate,
    licence and where camera and scale come from (empty: unknown).
    """

    examples: int = 64

    name: ClassVar[str] = "movi-tfds"
    summary: ClassVar[str] = "MOVi / Kubric as a folder of TensorFlow Datasets, one for each shape of clip"
    loses: ClassVar[tuple[str, ...]] = (
        "scores, flags, actions and captions; flow, normals, coordinates and physics are not known",
        "poses of frames in which a track is not seen: NaN in `instances`, as is a pose that nobody knows",
        "intrinsics other than one centred camera of square pixels for the whole clip",
        "depth finer than 1/65535 of its range, and where it is unknown: level 0, the nearest",
        "depth of all clips of a shape of which one has none",
        "clips without camera poses, and of more than 255 tracks",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        shapes: dict[Shape, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        deep: dict[Shape, bool] = defaultdict(lambda: True)
        for clip in writer.clips():
            reason = _find_obstacle(clip)
            if reason is not None:
                writer.leave_out(clip, reason)
                continue
            shape = (len(clip), *clip.size)
            shapes[shape][clip.row.split].append(clip.id)
            deep[shape] &= all(row.depth_png is not None for row in clip.frames)
        for shape, splits in sorted(shapes.items()):
            self._write(writer, shape, splits, deep[shape])

    def _write(self, writer: ExportWriter, shape: Shape, splits: dict[str, list[str]], depth: bool) -> None:
        config = "x".join(str(length) for length in shape)
        folder = config, VERSION
        told, licences = [], set[str]()
        for split in (split for split in SPLITS if split in splits):
            ids, written, lengths = splits[split], 0, []
            count = -(-len(ids) // self.examples)
            for number in range(count):
                part = ids[number * self.examples : (number + 1) * self.examples]
                path = writer.path(*folder, tfds.file_name(NAME, SPLITS[split], number, count))
                with path.open("wb") as file:
                    written += tfrecord.write_records(file, self._examples(writer, part, depth, licences))
                lengths.append(len(part))
            told.append(tfds.TfdsSplit(SPLITS[split], written, lengths))
        about = f"Clips of {shape[0]} frames of {shape[1]} x {shape[2]}, exported with MOVi's features."
        info = tfds.dataset_info(NAME, config, VERSION, about, ", ".join(sorted(licences)), told)
        writer.write(json.dumps(info, indent=1) + "\n", *folder, "dataset_info.json")
        writer.write(json.dumps(build_features(shape, depth), indent=1) + "\n", *folder, "features.json")

    def _examples(
        self, writer: ExportWriter, ids: Sequence[str], depth: bool, licences: set[str]
    ) -> Iterator[bytes]:
        wanted = set(ids)
        for clip in writer.clips():
            if clip.id in wanted:
                licences.add(clip.source.licence or "unknown")
                if not depth and clip.frames[0].depth_png is not None:
                    writer.leave_out(clip, "depth: another clip of its shape has none", what="depth")
                yield tfrecord.encode_example(build_record(clip, depth=depth))


def _find_obstacle(clip: SceneClip) -> str | None:
    if any(clip.world_from_cam(frame) is None for frame in range(len(clip))):
        return "the camera's pose is unknown"
    if not has_centred_camera(clip):
        return "the camera changes, is off centre, or has oblong pixels"
    return "it has more than 255 tracks" if len(clip.tracks) > INSTANCES else None


def build_features(shape: Shape, depth: bool) -> dict[str, Any]:
    """`features.json` of clips of (frames, height, width)."""
    frames = shape[0]
    single, whole, few = tfds.tensor("float32"), tfds.tensor("int32"), tfds.tensor("uint16")
    texts = ("video_name", "licence", "camera_source", "intrinsics_source", "scale_source")
    metadata = {
        **{name: tfds.text() for name in texts},
        **dict.fromkeys(("width", "height", "num_frames"), whole),
        "num_instances": few,
        "frame_rate": single,
    }
    instances = {
        "positions": tfds.tensor("float32", frames, 3),
        "quaternions": tfds.tensor("float32", frames, 4),
        "bboxes_3d": tfds.tensor("float32", frames, 8, 3),
        "bboxes": tfds.sequence(tfds.box()),
        "bbox_frames": tfds.sequence(whole),
        "visibility": tfds.tensor("uint16", frames),
        "category": tfds.text(),
        "track": whole,
    }
    camera = {
        **dict.fromkeys(("focal_length", "sensor_width", "field_of_view"), single),
        "positions": tfds.tensor("float32", frames, 3),
        "quaternions": tfds.tensor("float32", frames, 4),
    }
    parts = {
        "instances": tfds.sequence(tfds.features(instances)),
        "camera": tfds.features(camera),
        "video": tfds.video(*shape),
        "segmentations": tfds.images("uint8", *shape, 1),
    }
    if depth:
        metadata["depth_range"] = tfds.tensor("float32", 2)
        parts["depth"] = tfds.images("uint16", *shape, 1)
    return tfds.features({**parts, "metadata": tfds.features(metadata)})


def build_record(clip: SceneClip, *, depth: bool) -> dict[str, tfrecord.Feature]:
    """A clip's features as TFDS lays them into an Example: names joined by /, lists of lists as ragged."""
    made = build_example(clip)
    told, instances = made["metadata"], made["instances"]
    seen = np.isfinite(instances["bboxes"]).all(axis=-1)
    rate = told["frame_rate"]
    out: dict[str, tfrecord.Feature] = {
        "metadata/frame_rate": np.array([np.nan if rate is None else rate], np.float32),
        "instances/bboxes/ragged_flat_values": instances["bboxes"][seen],
        "instances/bboxes/ragged_row_lengths_0": seen.sum(axis=1),
        "instances/bbox_frames/ragged_flat_values": np.nonzero(seen)[1],
        "instances/bbox_frames/ragged_row_lengths_0": seen.sum(axis=1),
        "instances/visibility": instances["visibility"],
        "instances/category": [str(name).encode() for name in instances["category"]],
        "instances/track": instances["tracks"],
        "video": [_png(picture) for picture in made["video"]],
        "segmentations": [_png(ids[..., 0].astype(np.uint8)) for ids in made["segmentations"]],
    }
    for name in ("video_name", "licence", "camera_source", "intrinsics_source", "scale_source"):
        out[f"metadata/{name}"] = [(told[name] or "").encode()]
    for name in ("width", "height", "num_frames", "num_instances"):
        out[f"metadata/{name}"] = np.array([told[name]])
    for name in ("positions", "quaternions", "bboxes_3d"):
        out[f"instances/{name}"] = instances[name]
    for name, value in made["camera"].items():
        out[f"camera/{name}"] = np.atleast_1d(value)
    if depth:
        out["metadata/depth_range"] = np.array(told["depth_range"])
        out["depth"] = [_png(levels[..., 0]) for levels in made["depth"]]
    return out


def _png(picture: NDArray[Any]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG", compress_level=4)
    return data.getvalue()
