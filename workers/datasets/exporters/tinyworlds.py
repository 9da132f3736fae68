"""TinyWorlds: HDF5 files of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from workers.datasets.exporters.base import Exporter, import_library
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.option_limits import SIDES
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class TinyWorlds(Exporter):
    """`<split>.h5`: `frames` u8 (frames, side, side, 3), clip after clip, as its loader takes one file.

    The loader knows no clips: a window that begins near the end of one goes on in the next. `ep_len` and
    `ep_offset` say where each begins, so that a `Subset` of its dataset leaves these windows out. With
    `files=clip`, each clip is a file of its own, `<split>/<clip>.h5`, for a `ConcatDataset`.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 64
    fit: FitOption = "crop"
    files: Annotated[Literal["split", "clip"], "one file per split, or one per clip"] = "split"

    name: ClassVar[str] = "tinyworlds"
    summary: ClassVar[str] = "TinyWorlds HDF5: frames of 64 x 64, one file per split"
    loses: ClassVar[tuple[str, ...]] = (
        "everything but pixels; actions are learned there",
        "the image outside the square crop (fit=pad keeps it), and its size",
        "frame rates: a step is a step",
    )
    libraries: ClassVar[tuple[str, ...]] = ("h5py",)

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for split, clips in writer.clips_by_split().items():
            if self.files == "split":
                self._write_file(writer, [f"{split}.h5"], clips)
                continue
            for number, row in enumerate(clips.rows):
                self._write_file(writer, [split, f"{row.clip}.h5"], clips[number : number + 1])

    def _write_file(self, writer: ExportWriter, path: Sequence[str], clips: ClipSequence) -> None:
        h5py = import_library("h5py")
        lengths = np.array([row.frames for row in clips.rows], np.int64)
        offsets = np.cumsum(lengths) - lengths
        with h5py.File(writer.new_file(*path), "w", libver="latest") as file:
            shape = (int(lengths.sum()), self.side, self.side, 3)
            frames: Any = file.create_dataset("frames", shape, np.uint8)
            file["ep_len"], file["ep_offset"] = lengths, offsets
            parts = writer.build_parts(self._build_frames, clips)
            for (clip, part), offset in zip(parts, offsets.tolist(), strict=True):
                frames[offset : offset + len(clip)] = part["frames"]
            rates = {row.frame_rate for row in clips.rows}
            if len(rates) == 1 and None not in rates:
                frames.attrs["fps"] = rates.pop()

    def _build_frames(self, clip: SceneClip) -> Part:
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        return {"frames": np.stack(transform.transform_frames(clip))}
