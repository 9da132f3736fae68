"""HDF5 of flat columns for stable-worldmodel (LeWM), and of bare frames for TinyWorlds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from workers.datasets.exporters.action_space import ActionSpace
from workers.datasets.exporters.base import Exporter, ExportWriter, import_optional
from workers.datasets.exporters.image_transform import FitMode, ImageTransform
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class StableWorldModel(Exporter):
    """`<split>.h5`: one row a step, episodes one after another, `ep_len` and `ep_offset` to find them.

    pixels u8 (steps, side, side, 3); action f32 (steps, A), NaN after an episode's last frame and where
    unknown, no column when no clip has actions; timestamp f64 in seconds of the source. Rows are chunked by
    step, as the reader's own writer does it.
    """

    side: int = 224
    fit: FitMode = "crop"

    name: ClassVar[str] = "stable-worldmodel"
    summary: ClassVar[str] = "stable-worldmodel / LeWM HDF5: flat columns with ep_len and ep_offset"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "the picture outside the square crop (fit=pad keeps it), and its size",
        "one of two kinds of actions: recorded ones go before ego-motion",
        "frame rates: a step is a step",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        h5py = import_optional("h5py")
        actions = ActionSpace.choose(writer.clips())
        for split, clips in writer.by_split().items():
            lengths = np.array([len(clip) for clip in clips], np.int32)
            steps = int(lengths.sum())
            with h5py.File(writer.path(f"{split}.h5"), "w", libver="latest") as file:
                file["ep_len"] = lengths
                file["ep_offset"] = (np.cumsum(lengths) - lengths).astype(np.int64)
                shape = (steps, self.side, self.side, 3)
                pixels = file.create_dataset("pixels", shape, np.uint8, chunks=(1, *shape[1:]))
                times = file.create_dataset("timestamp", (steps,), np.float64)
                columns = None
                if actions is not None:
                    columns = file.create_dataset("action", (steps, len(actions.names)), np.float32)
                    columns.attrs["kind"], columns.attrs["names"] = actions.kind, list(actions.names)
                first = 0
                for clip in clips:
                    frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
                    for number in range(len(clip)):
                        pixels[first + number] = frame.image(clip.image(number))
                    times[first : first + len(clip)] = frame_seconds(clip)
                    if columns is not None and actions is not None:
                        columns[first : first + len(clip)] = actions.matrix(clip)
                    first += len(clip)


@dataclass(frozen=True)
class TinyWorlds(Exporter):
    """`<split>/<clip>.h5`: frames u8 (T, side, side, 3). A file has no cut, so windows never straddle one."""

    side: int = 64
    fit: FitMode = "crop"

    name: ClassVar[str] = "tinyworlds"
    summary: ClassVar[str] = "TinyWorlds HDF5: frames of 64 x 64, one file a clip"
    loses: ClassVar[tuple[str, ...]] = (
        "everything but pixels; actions are learned there",
        "the picture outside the square crop (fit=pad keeps it), and its size",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        h5py = import_optional("h5py")
        for clip in writer.clips():
            frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
            path: Path = writer.path(clip.row.split, f"{clip.id}.h5")
            with h5py.File(path, "w", libver="latest") as file:
                pictures = [frame.image(clip.image(number)) for number in range(len(clip))]
                stored: Any = file.create_dataset("frames", data=np.stack(pictures))
                if clip.row.frame_rate is not None:
                    stored.attrs["fps"] = clip.row.frame_rate


def frame_seconds(clip: SceneClip) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times of the frames in the source, f64 (T,)."""
    source = clip.source
    ticks = np.array([row.pts for row in clip.frames], np.float64)
    return ticks * source.time_base_numerator / source.time_base_denominator
