"""A MOVi example as a clip of the record."""

from collections.abc import Mapping, Sequence
from typing import Any

from workers.datasets.errors import DatasetError
from workers.datasets.importers.movi import rows
from workers.datasets.importers.movi.example import parse_example
from workers.datasets.importers.movi.observations import build_observations
from workers.datasets.scene_clip import SceneClip


def import_example(example: Mapping[str, Any], *, split: str = "train") -> SceneClip:
    """A clip from the features of a MOVi example (see `exporters.movi.example.build_example`).

    Frames become JPEG of quality 95. The world is Kubric's, in metres. Boxes come from `bboxes_3d`, whose
    corners are those of product((-, +), repeat=3) turned by `quaternions`. Instance k is track k + 1, with
    the frames in which its mask is not empty. Raises DatasetError `dataset_broken`.
    """
    try:
        parsed = parse_example(example)
        observations = build_observations(parsed)
        tables: dict[str, Sequence[Any]] = {
            "frames": rows.build_frame_rows(parsed),
            "cameras": rows.build_camera_rows(parsed),
            "tracks": rows.build_track_rows(parsed, observations),
            "observations": observations,
        }
        clip = rows.build_clip_row(parsed, split)
        return SceneClip.from_tables(clip, rows.build_source_row(parsed, split), tables)
    except (KeyError, IndexError, ValueError) as error:
        raise DatasetError("dataset_broken", f"this is not a MOVi example: {error!r}") from error
