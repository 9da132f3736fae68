"""Formats that a dataset job exports to, with their options.

Generated from `workers/datasets/exporters`:
`python -m workers.datasets.exporters.request_models clients/python/maquette/contract/exports.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from maquette.contract.base import RequestModel


class BopExport(RequestModel):
    """BOP scenes: poses, cameras and visible masks in millimetres."""

    format: Literal["bop"]


class CJepaExport(RequestModel):
    """C-JEPA / VideoSAUR shards: video.npy and segmentations.npy, slots chosen in frame 0."""

    format: Literal["cjepa"]
    side: Annotated[int, Field(ge=8, le=4096)] = 224
    """Pixels of the square images."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    seed: Annotated[int, Field(ge=0, le=4294967295)] = 0
    """Seed of the order of slots."""
    largest: Annotated[int, Field(ge=1, le=1000000000000)] = 536870912
    """Bytes after which a new TAR file begins."""


class CJepaSlotsExport(RequestModel):
    """C-JEPA pickle of slots: measured states of objects, not an encoder's vectors."""

    format: Literal["cjepa-slots"]
    slots: Annotated[int, Field(ge=1, le=64)] = 7
    """Slots per clip."""
    seed: Annotated[int, Field(ge=0, le=4294967295)] = 0
    """Seed of the order of slots."""
    actions: bool = False
    """Also write `actions.pkl` and `proprio.pkl`."""
    kind: Literal["auto", "recorded", "inferred", "ego_motion", "subject"] = "auto"
    """Which actions the export holds; `auto` takes recorded ones, else inferred ones, else ego-motion;
    `subject` is where the largest track is in the next frame, which any video has."""


class CocoExport(RequestModel):
    """COCO instances with RLE masks and track ids."""

    format: Literal["coco"]


class HuggingFaceExport(RequestModel):
    """Parquet for Hugging Face datasets, one row per frame, with a card."""

    format: Literal["hf-datasets"]
    rows_a_file: Annotated[int, Field(ge=1, le=1000000)] = 1000
    """Frames per file, which are in memory at once; a clip is never split."""
    changes: bool = True
    """Also write the pairs of the table changes, where the dataset has it."""


class LeRobotExport(RequestModel):
    """LeRobot v3.0: Parquet and MP4 episodes with metadata and statistics."""

    format: Literal["lerobot"]
    side: Annotated[int, Field(ge=8, le=4096)] = 256
    """Pixels of the square images."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    actions: Literal["auto", "recorded", "inferred", "ego_motion", "subject"] = "auto"
    """Which actions the export holds; `auto` takes recorded ones, else inferred ones, else ego-motion;
    `subject` is where the largest track is in the next frame, which any video has."""
    other_rates: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of clips of another frame rate than most have."""


class MoviExport(RequestModel):
    """MOVi / Kubric features as NumPy folders; can be imported again."""

    format: Literal["movi"]


class MoviTfdsExport(RequestModel):
    """MOVi / Kubric as a folder of TensorFlow Datasets, one for each shape of clip."""

    format: Literal["movi-tfds"]
    examples: Annotated[int, Field(ge=1, le=100000)] = 64
    """Clips per TFRecord file."""


class NeuralAssetsExport(RequestModel):
    """frame pairs with appearance boxes and projected 3D boxes; object edits."""

    format: Literal["neural-assets"]
    side: Annotated[int, Field(ge=8, le=4096)] = 256
    """Pixels of the square images."""
    objects: Annotated[int, Field(ge=1, le=1000)] = 10
    """Rows of objects per pair, N (10 in the paper's MOVi experiments, 23 for OBJect)."""
    pairs: Annotated[int, Field(ge=1, le=10000)] = 8
    """Pairs per clip."""
    max_gap: Annotated[int, Field(ge=0, le=1000000)] = 23
    """Largest distance between the two frames."""
    edits: bool = True
    """Also write edits."""
    changes: bool = True
    """Also write the pairs of the table changes, where the dataset has it."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    seed: Annotated[int, Field(ge=0, le=4294967295)] = 0
    """Seed of the choice of pairs."""


class SpatialVidExport(RequestModel):
    """SpatialVID layout: MP4, camera poses, object masks, captions, instructions."""

    format: Literal["spatialvid"]
    interval: Annotated[float, Field(ge=0.001, le=3600.0)] = 0.2
    """Seconds between two samples of the camera."""


class StableWorldModelExport(RequestModel):
    """stable-worldmodel / LeWM HDF5: flat columns with ep_len and ep_offset."""

    format: Literal["stable-worldmodel"]
    side: Annotated[int, Field(ge=8, le=4096)] = 224
    """Pixels of the square images."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    actions: Literal["auto", "recorded", "inferred", "ego_motion", "subject"] = "auto"
    """Which actions the export holds; `auto` takes recorded ones, else inferred ones, else ego-motion;
    `subject` is where the largest track is in the next frame, which any video has."""


class StableWorldModelLanceExport(RequestModel):
    """stable-worldmodel Lance: one row per step, JPEG images."""

    format: Literal["stable-worldmodel-lance"]
    side: Annotated[int, Field(ge=8, le=4096)] = 224
    """Pixels of the square images."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    actions: Literal["auto", "recorded", "inferred", "ego_motion", "subject"] = "auto"
    """Which actions the export holds; `auto` takes recorded ones, else inferred ones, else ego-motion;
    `subject` is where the largest track is in the next frame, which any video has."""


class TinyWorldsExport(RequestModel):
    """TinyWorlds HDF5: frames of 64 x 64, one file per split."""

    format: Literal["tinyworlds"]
    side: Annotated[int, Field(ge=8, le=4096)] = 64
    """Pixels of the square images."""
    fit: Literal["crop", "pad"] = "crop"
    """`crop` cuts both ends of the longer side, `pad` adds grey."""
    files: Literal["split", "clip"] = "split"
    """One file per split, or one per clip."""


class VptExport(RequestModel):
    """VPT: MP4 with one JSON line of actions per frame."""

    format: Literal["vpt"]


class WebDatasetExport(RequestModel):
    """TAR shards, one sample per clip with all annotations as JSON."""

    format: Literal["webdataset"]
    largest: Annotated[int, Field(ge=1, le=1000000000000)] = 536870912
    """Bytes after which a new TAR file begins."""


class YouTubeVisExport(RequestModel):
    """YouTube-VIS / SA-Co JSON: masklets with noun phrases, negatives kept."""

    format: Literal["ytvis"]


Export = Annotated[
    BopExport
    | CJepaExport
    | CJepaSlotsExport
    | CocoExport
    | HuggingFaceExport
    | LeRobotExport
    | MoviExport
    | MoviTfdsExport
    | NeuralAssetsExport
    | SpatialVidExport
    | StableWorldModelExport
    | StableWorldModelLanceExport
    | TinyWorldsExport
    | VptExport
    | WebDatasetExport
    | YouTubeVisExport,
    Field(discriminator="format"),
]
