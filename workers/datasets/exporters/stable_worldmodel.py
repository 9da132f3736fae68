"""stable-worldmodel (LeWM): HDF5 of flat columns."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from workers.datasets.exporters.base import Exporter, import_library
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.option_limits import SIDES
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.action_space import ActionKindOption, ActionSpace
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class StableWorldModel(Exporter):
    """`<split>.h5`: one row per step, episodes one after another, `ep_len` and `ep_offset` to find them.

    `pixels` u8 (steps, side, side, 3); `action` f32 (steps, A), NaN in the last frame of an episode and where
    unknown, which the trainers set to 0; `timestamp` f64, seconds of the source. There is no column `action`
    when no clip has actions; recorded actions are preferred to ego-motion, and a clip without the chosen kind
    has NaN. Rows are chunked by step, as the reader's own writer does it.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 224
    fit: FitOption = "crop"
    actions: ActionKindOption = "auto"

    name: ClassVar[str] = "stable-worldmodel"
    summary: ClassVar[str] = "stable-worldmodel / LeWM HDF5: flat columns with ep_len and ep_offset"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "the image outside the square crop (fit=pad keeps it), and its size",
        "all but one kind of actions",
        "frame rates: a step is a step",
    )
    libraries: ClassVar[tuple[str, ...]] = ("h5py",)

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        h5py = import_library("h5py")
        actions = ActionSpace.choose(writer.clips(), self.actions)
        for split, clips in writer.clips_by_split().items():
            with h5py.File(writer.new_file(f"{split}.h5"), "w", libver="latest") as file:
                self._write_split(writer, file, clips, actions)

    def _write_split(
        self, writer: ExportWriter, file: Any, clips: ClipSequence, actions: ActionSpace | None
    ) -> None:
        lengths = np.array([row.frames for row in clips.rows], np.int32)
        steps = int(lengths.sum())
        file["ep_len"] = lengths
        file["ep_offset"] = (np.cumsum(lengths) - lengths).astype(np.int64)
        shape = (steps, self.side, self.side, 3)
        pixels = file.create_dataset("pixels", shape, np.uint8, chunks=(1, *shape[1:]))
        times = file.create_dataset("timestamp", (steps,), np.float64)
        action_column = None
        if actions is not None:
            action_column = file.create_dataset("action", (steps, len(actions.names)), np.float32)
            action_column.attrs["kind"], action_column.attrs["names"] = actions.kind, list(actions.names)
        first = 0
        for clip, part in writer.build_parts(self._build_pixels, clips):
            pixels[first : first + len(clip)] = part["pixels"]
            times[first : first + len(clip)] = clip.timestamps()
            writer.leave_out_actions(clip, actions)
            if action_column is not None and actions is not None:
                action_column[first : first + len(clip)] = actions.matrix(clip)
            first += len(clip)

    def _build_pixels(self, clip: SceneClip) -> Part:
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        return {"pixels": np.stack(transform.transform_frames(clip))}
