"""MOVi / Kubric: the features of its TFDS examples, as one folder of arrays per clip."""

import json
from dataclasses import dataclass
from typing import ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.movi.example import build_example, find_obstacle
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.encoding import encode_npz
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class Movi(Exporter):
    """`<split>/<clip>/`: `video.npz`, `segmentations.npz`, `depth.npz`, `instances.npz`, `camera.npz` and
    `metadata.json`, with the names, shapes and axes of the TFDS features.

    Depth is the distance from the camera's centre, in 16 bits over `depth_range`; a clip without depth has no
    `depth.npz`. Frames keep their size and number: run the pipeline with 256 x 256 pixels and 24 frames for
    MOVi's own. Lengths are metres, cameras Blender's. `maquette dataset import-movi` reads the folders back.
    """

    name: ClassVar[str] = "movi"
    summary: ClassVar[str] = "MOVi / Kubric features as NumPy folders; can be imported again"
    loses: ClassVar[tuple[str, ...]] = (
        "JPEG bytes: frames are stored as pixels",
        "scores, flags, actions and captions; flow, normals and coordinates are not known",
        "boxes of frames in which a track is not seen: NaN in `instances`",
        "intrinsics other than one centred camera of square pixels for the whole clip",
        "depth finer than 1/65535 of its range; where it is unknown `known` of `depth.npz` says so, which"
        " MOVi's own readers do not look at",
        "clips without camera poses",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for clip in writer.clips():
            obstacle = find_obstacle(clip)
            if obstacle is not None:
                writer.leave_out(clip, obstacle)
        writer.write_parts(_build_files)


def _build_files(clip: SceneClip) -> Part:
    """The files of a clip; none for one that the format cannot hold."""
    if find_obstacle(clip) is not None:
        return {}
    example = build_example(clip)
    files = {
        f"{name}.npz": encode_npz({name: example[name]}, compressed=True)
        for name in ("video", "segmentations")
    }
    if "depth" in example:
        arrays = {"depth": example["depth"], "known": example["known"]}
        files["depth.npz"] = encode_npz(arrays, compressed=True)
    for name in ("instances", "camera"):
        files[f"{name}.npz"] = encode_npz(example[name], compressed=False)
    files["metadata.json"] = (json.dumps(example["metadata"], indent=1) + "\n").encode()
    return {f"{clip.row.split}/{clip.id}/{name}": content for name, content in files.items()}
