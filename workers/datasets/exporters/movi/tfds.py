"""MOVi / Kubric as TensorFlow Datasets keeps it: TFRecords with features.json and dataset_info.json."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.movi import example as movi_example
from workers.datasets.exporters.movi import tfds_features as tfds
from workers.datasets.exporters.option_limits import Range
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.encoding import encode_png
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ClipRow
from workers.formats import tfrecord

NAME, VERSION = "maquette_movi", "1.0.0"
# TFDS names of our splits
SPLITS = {"train": "train", "val": "validation", "test": "test"}
# frames, height, width
Shape = tuple[int, int, int]
# segmentations of MOVi are eight bits, and 0 is the background
MOST_INSTANCES = 255
# Pillow's level of zlib; chosen, not measured
PNG_COMPRESSION = 4
TEXTS = ("video_name", "licence", "camera_source", "intrinsics_source", "scale_source")
WHOLE_NUMBERS = ("width", "height", "num_frames")


@dataclass
class _ShapeGroup:
    """The clips of one shape by split, and whether all of them have depth."""

    clips: dict[str, list[ClipRow]] = field(default_factory=lambda: defaultdict(list))
    has_depth: bool = True


@dataclass(frozen=True)
class MoviTfds(Exporter):
    """`<frames>x<height>x<width>/1.0.0/`, one TFDS dataset per shape of clip, because TFDS needs one shape.

    Features have the names, shapes and types of MOVi's (Kubric's `challenges/movi`); `bboxes` have an entry
    for each frame of `bbox_frames`, as there. Features of MOVi that are unknown here (flow, normals, object
    coordinates, collisions, mass, friction) are not in `features.json`. In addition there are
    `instances/category` and `instances/track`, and in `metadata` the frame rate and licence of the clip and
    the sources of its camera and scale, empty where unknown. Poses of frames in which a track is not seen are
    NaN. Written without TensorFlow; `maquette dataset import-movi` reads the folders back.
    """

    examples: Annotated[int, "clips per TFRecord file", Range(1, 100_000)] = 64

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
        for shape, group in sorted(_group_by_shape(writer).items()):
            self._write_dataset(writer, shape, group)

    def _write_dataset(self, writer: ExportWriter, shape: Shape, group: _ShapeGroup) -> None:
        frames, height, width = shape
        config = f"{frames}x{height}x{width}"
        folder = config, VERSION
        licences: set[str] = set()
        splits = []
        for split in (split for split in SPLITS if split in group.clips):
            clips, written, lengths = ClipSequence(writer.dataset, group.clips[split]), 0, []
            count = -(-len(clips) // self.examples)
            for number in range(count):
                part = clips[number * self.examples : (number + 1) * self.examples]
                path = writer.new_file(*folder, tfds.format_file_name(NAME, SPLITS[split], number, count))
                with path.open("wb") as file:
                    written += tfrecord.write_records(
                        file, _encode_examples(writer, part, group.has_depth, licences)
                    )
                lengths.append(len(part))
            splits.append(tfds.TfdsSplit(SPLITS[split], written, lengths))
        info = tfds.build_dataset_info(
            dataset=NAME,
            config=config,
            version=VERSION,
            description=f"Clips of {frames} frames of {height} x {width}, exported with MOVi's features.",
            licence=", ".join(sorted(licences)),
            splits=splits,
        )
        writer.write(json.dumps(info, indent=1) + "\n", *folder, "dataset_info.json")
        features = build_features(shape, group.has_depth)
        writer.write(json.dumps(features, indent=1) + "\n", *folder, "features.json")


def _group_by_shape(writer: ExportWriter) -> dict[Shape, _ShapeGroup]:
    """The clips that can be examples, by shape; the others are left out."""
    groups: dict[Shape, _ShapeGroup] = defaultdict(_ShapeGroup)
    for clip in writer.clips():
        obstacle = movi_example.find_obstacle(clip)
        if obstacle is None and len(clip.tracks) > MOST_INSTANCES:
            obstacle = "it has more than 255 tracks"
        if obstacle is not None:
            writer.leave_out(clip, obstacle)
            continue
        group = groups[(len(clip), *clip.size)]
        group.clips[clip.row.split].append(clip.row)
        group.has_depth &= all(row.depth_png is not None for row in clip.frames)
    return groups


def _encode_examples(
    writer: ExportWriter, clips: ClipSequence, depth: bool, licences: set[str]
) -> Iterator[bytes]:
    """The records of some clips; their licences are added to `licences`."""
    for clip, part in writer.build_parts(partial(_build_part, depth), clips):
        licences.add(clip.source.licence or "unknown")
        if "record_without_depth" in part:
            writer.leave_out(clip, "depth: another clip of its shape has none", what="depth")
        [record] = part.values()
        yield bytes(record)


def _build_part(depth: bool, clip: SceneClip) -> Part:
    """The record of a clip; its name says whether depth was left out."""
    is_left_out = not depth and clip.frames[0].depth_png is not None
    record = tfrecord.encode_example(build_record(clip, depth=depth))
    return {"record_without_depth" if is_left_out else "record": record}


def build_features(shape: Shape, depth: bool) -> dict[str, Any]:
    """`features.json` of clips of one shape."""
    frames = shape[0]
    single, whole, few = tfds.tensor("float32"), tfds.tensor("int32"), tfds.tensor("uint16")
    metadata = {
        **{name: tfds.text() for name in TEXTS},
        **dict.fromkeys(WHOLE_NUMBERS, whole),
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
    """The features of a clip as TFDS stores them in an Example: names joined by /, nested lists as ragged."""
    example = movi_example.build_example(clip)
    metadata, instances = example["metadata"], example["instances"]
    seen = np.isfinite(instances["bboxes"]).all(axis=-1)
    rate = metadata["frame_rate"]
    record: dict[str, tfrecord.Feature] = {
        "metadata/frame_rate": np.array([np.nan if rate is None else rate], np.float32),
        "instances/bboxes/ragged_flat_values": instances["bboxes"][seen],
        "instances/bboxes/ragged_row_lengths_0": seen.sum(axis=1),
        "instances/bbox_frames/ragged_flat_values": np.nonzero(seen)[1],
        "instances/bbox_frames/ragged_row_lengths_0": seen.sum(axis=1),
        "instances/visibility": instances["visibility"],
        "instances/category": [str(name).encode() for name in instances["category"]],
        "instances/track": instances["tracks"],
        "video": [_encode_png(image) for image in example["video"]],
        "segmentations": [_encode_png(ids[..., 0].astype(np.uint8)) for ids in example["segmentations"]],
    }
    for name in TEXTS:
        record[f"metadata/{name}"] = [(metadata[name] or "").encode()]
    for name in (*WHOLE_NUMBERS, "num_instances"):
        record[f"metadata/{name}"] = np.array([metadata[name]])
    for name in ("positions", "quaternions", "bboxes_3d"):
        record[f"instances/{name}"] = instances[name]
    for name, value in example["camera"].items():
        record[f"camera/{name}"] = np.atleast_1d(value)
    if depth:
        record["metadata/depth_range"] = np.array(metadata["depth_range"])
        record["depth"] = [_encode_png(levels[..., 0]) for levels in example["depth"]]
    return record


def _encode_png(image: Any) -> bytes:
    return encode_png(image, compress_level=PNG_COMPRESSION)
