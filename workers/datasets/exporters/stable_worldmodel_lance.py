"""stable-worldmodel: Lance tables with one row per step, images as JPEG."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from workers.datasets.exporters.base import Exporter, import_library
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.option_limits import SIDES
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.action_space import ActionKindOption, ActionSpace
from workers.datasets.exporters.shared.encoding import encode_jpeg
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.scene_clip import SceneClip

JPEG_QUALITY = 95


@dataclass(frozen=True)
class StableWorldModelLance(Exporter):
    """`<split>.lance`: `episode_idx` and `step_idx` i32, `pixels` JPEG, `action` f32 (A,), `timestamp` f32
    (1,).

    The folder is a LanceDB database and each split one of its tables. A frame that is already square with
    `side` pixels keeps its bytes. The library adds names and times of its own, so two exports differ. Of an
    export that was stopped the images are kept, and the tables, which are whole or absent, written again.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 224
    fit: FitOption = "crop"
    actions: ActionKindOption = "auto"

    name: ClassVar[str] = "stable-worldmodel-lance"
    summary: ClassVar[str] = "stable-worldmodel Lance: one row per step, JPEG images"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "the image outside the square crop (fit=pad keeps it), its size, and pixels to a second JPEG",
        "all but one kind of actions",
        "frame rates: a step is a step",
    )
    libraries: ClassVar[tuple[str, ...]] = ("lance", "pyarrow")

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        lance, pa = import_library("lance"), import_library("pyarrow")
        actions = ActionSpace.choose(writer.clips(), self.actions)
        fields = [("episode_idx", pa.int32()), ("step_idx", pa.int32()), ("pixels", pa.binary())]
        if actions is not None:
            fields.append(("action", pa.list_(pa.float32(), len(actions.names))))
        fields.append(("timestamp", pa.list_(pa.float32(), 1)))
        schema = pa.schema(fields)
        for split, clips in writer.clips_by_split().items():
            folder = writer.out / f"{split}.lance"
            # an export that was stopped leaves data that the table would keep as an older version
            shutil.rmtree(folder, ignore_errors=True)
            episodes = self._build_episodes(writer, clips, actions)
            batches = (pa.RecordBatch.from_pylist(rows, schema=schema) for rows in episodes)
            batches = pa.RecordBatchReader.from_batches(schema, batches)
            lance.write_dataset(batches, str(folder), mode="overwrite")
            writer.files += sum(path.is_file() for path in folder.rglob("*"))

    def _build_episodes(
        self, writer: ExportWriter, clips: Sequence[SceneClip], actions: ActionSpace | None
    ) -> Iterator[list[dict[str, Any]]]:
        for episode, (clip, part) in enumerate(writer.build_parts(self._encode_frames, clips)):
            rows: list[dict[str, Any]] = [
                {
                    "episode_idx": episode,
                    "step_idx": row.frame,
                    "pixels": bytes(part[str(row.frame)]),
                    "timestamp": [float(seconds)],
                }
                for row, seconds in zip(clip.frames, clip.timestamps(), strict=True)
            ]
            writer.leave_out_actions(clip, actions)
            if actions is not None:
                for step, values in zip(rows, actions.matrix(clip), strict=True):
                    step["action"] = values.tolist()
            yield rows

    def _encode_frames(self, clip: SceneClip) -> Part:
        """The JPEG of every frame by its number."""
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        return {str(frame): _encode_frame(clip, frame, transform) for frame in range(len(clip))}


def _encode_frame(clip: SceneClip, frame: int, transform: ImageTransform) -> bytes:
    if clip.size == transform.size:
        return clip.frames[frame].jpeg
    return encode_jpeg(transform.transform_image(clip.image(frame)), quality=JPEG_QUALITY)
