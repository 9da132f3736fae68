"""Lance tables for stable-worldmodel: one row a step, pictures as JPEG."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from workers.datasets.exporters.action_space import ActionSpace
from workers.datasets.exporters.base import Exporter, ExportWriter, import_optional
from workers.datasets.exporters.flat_hdf5 import frame_seconds
from workers.datasets.exporters.image_transform import FitMode, ImageTransform
from workers.datasets.scene_clip import SceneClip

QUALITY = 95


@dataclass(frozen=True)
class StableWorldModelLance(Exporter):
    """`<split>.lance`: episode_idx and step_idx i32, pixels JPEG, action f32 (A,), timestamp f32 (1,).

    The folder is a LanceDB database and each split a table of it. A frame that is square and of `side`
    pixels already keeps its bytes.
    """

    side: int = 224
    fit: FitMode = "crop"

    name: ClassVar[str] = "stable-worldmodel-lance"
    summary: ClassVar[str] = "stable-worldmodel Lance: one row a step, JPEG pictures"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "the picture outside the square crop (fit=pad keeps it), its size, and pixels to a second JPEG",
        "one of two kinds of actions: recorded ones go before ego-motion",
        "frame rates: a step is a step",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        lance, pa = import_optional("lance"), import_optional("pyarrow")
        actions = ActionSpace.choose(writer.clips())
        fields = [("episode_idx", pa.int32()), ("step_idx", pa.int32()), ("pixels", pa.binary())]
        if actions is not None:
            fields.append(("action", pa.list_(pa.float32(), len(actions.names))))
        fields.append(("timestamp", pa.list_(pa.float32(), 1)))
        schema = pa.schema(fields)
        for split, clips in writer.by_split().items():
            folder = writer.out / f"{split}.lance"
            batches = (pa.RecordBatch.from_pylist(rows, schema=schema) for rows in self._rows(clips, actions))
            lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches), str(folder))
            writer.files += sorted(path for path in folder.rglob("*") if path.is_file())

    def _rows(self, clips: list[SceneClip], actions: ActionSpace | None) -> Iterator[list[dict[str, Any]]]:
        for episode, clip in enumerate(clips):
            frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
            rows: list[dict[str, Any]] = [
                {
                    "episode_idx": episode,
                    "step_idx": row.frame,
                    "pixels": row.jpeg if clip.size == frame.size else _jpeg(frame, clip, row.frame),
                    "timestamp": [float(second)],
                }
                for row, second in zip(clip.frames, frame_seconds(clip), strict=True)
            ]
            if actions is not None:
                for row, values in zip(rows, actions.matrix(clip), strict=True):
                    row["action"] = values.tolist()
            yield rows


def _jpeg(frame: ImageTransform, clip: SceneClip, number: int) -> bytes:
    data = io.BytesIO()
    Image.fromarray(frame.image(clip.image(number))).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
