"""TinyWorlds: HDF5 files of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from workers.datasets.exporters.base import Exporter, import_library
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class TinyWorlds(Exporter):
    """`<split>.h5`: `frames` u8 (frames, side, side, 3), clip after clip, as its loader takes one file.

    The loader knows no clips: a window that begins near the end of one goes on in the next. `ep_len` and
    `ep_offset` say where each begins, so that a `Subset` of its dataset leaves these windows out. With
    `files=clip`, each clip is a file of its own, `<split>/<clip>.h5`, for a `ConcatDataset`.
    """

    side: Annotated[int, "pixels of the square images"] = 64
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
            for number, clip in enumerate(clips):
                self._write_file(writer, [split, f"{clip.id}.h5"], clips[number : number + 1])

    def _write_file(self, writer: ExportWriter, parts: Sequence[str], clips: Sequence[SceneClip]) -> None:
        h5py = import_library("h5py")
        lengths = np.array([len(clip) for clip in clips], np.int64)
        offsets = np.cumsum(lengths) - lengths
        with h5py.File(writer.new_file(*parts), "w", libver="latest") as file:
            shape = (int(lengths.sum()), self.side, self.side, 3)
            frames: Any = file.create_dataset("frames", shape, np.uint8)
            file["ep_len"], file["ep_offset"] = lengths, offsets
            for clip, offset in zip(clips, offsets.tolist(), strict=True):
                transform = ImageTransform.fit_square(clip, self.side, self.fit)
                frames[offset : offset + len(clip)] = np.stack(transform.transform_frames(clip))
            rates = {clip.row.frame_rate for clip in clips}
            if len(rates) == 1 and None not in rates:
                frames.attrs["fps"] = rates.pop()
