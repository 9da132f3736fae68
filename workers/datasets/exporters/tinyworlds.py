"""TinyWorlds: HDF5 files of frames."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from workers.datasets.exporters.base import Exporter, import_library
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform


@dataclass(frozen=True)
class TinyWorlds(Exporter):
    """`<split>/<clip>.h5`: `frames` u8 (T, side, side, 3).

    A file has one clip, and a clip has no cut, so the windows of its reader never cross one.
    """

    side: Annotated[int, "pixels of the square images"] = 64
    fit: FitOption = "crop"

    name: ClassVar[str] = "tinyworlds"
    summary: ClassVar[str] = "TinyWorlds HDF5: frames of 64 x 64, one file per clip"
    loses: ClassVar[tuple[str, ...]] = (
        "everything but pixels; actions are learned there",
        "the image outside the square crop (fit=pad keeps it), and its size",
    )
    libraries: ClassVar[tuple[str, ...]] = ("h5py",)

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        h5py = import_library("h5py")
        for clip in writer.clips():
            transform = ImageTransform.fit_square(clip, self.side, self.fit)
            path = writer.new_file(clip.row.split, f"{clip.id}.h5")
            with h5py.File(path, "w", libver="latest") as file:
                frames: Any = file.create_dataset("frames", data=np.stack(transform.transform_frames(clip)))
                if clip.row.frame_rate is not None:
                    frames.attrs["fps"] = clip.row.frame_rate
