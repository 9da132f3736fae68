"""LeRobot v3.0: episodes in Parquet and MP4, with their index and statistics."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.action_space import ActionSpace
from workers.datasets.exporters.base import Exporter, ExportWriter, to_json
from workers.datasets.exporters.image_transform import FitMode, ImageTransform, write_mp4
from workers.datasets.exporters.typed_parquet import ColumnType, ListType, TypedColumn, encode_parquet
from workers.datasets.scene_clip import SceneClip

CAMERA = "observation.images.main"
EPISODES_A_CHUNK = 1000
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
# frames are read one by one in any order
KEY_EVERY = 2
INDEX = "__index_level_0__"


@dataclass(frozen=True)
class LeRobot(Exporter):
    """One episode a clip, in the order train, val, test; `meta/info.json` tells which is which.

    `timestamp` of frame k is k / fps. `action` f32 (A,) is NaN in the last frame and where unknown; there is
    no such feature when no clip has actions. The task of an episode is the clip's caption.
    """

    side: int = 256
    fit: FitMode = "crop"

    name: ClassVar[str] = "lerobot"
    summary: ClassVar[str] = "LeRobot v3.0: Parquet and MP4 episodes with metadata and statistics"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras and depth",
        "the picture outside the square crop (fit=pad keeps it), and its size",
        "pixels, to H.264 (crf 17)",
        "times: frames are taken to be even; clips of another rate than most are left out",
        "one of two kinds of actions: recorded ones go before ego-motion",
        "statistics by episode: there are those of the whole set",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        splits = writer.by_split()
        every = [clip for clips in splits.values() for clip in clips]
        rate = _most([clip.row.frame_rate for clip in every])
        kept = {split: [c for c in clips if _same(c, rate)] for split, clips in splits.items()}
        for clip in every:
            if not _same(clip, rate):
                writer.leave_out(clip, f"its rate is {clip.row.frame_rate}, not {rate}")
        clips = [clip for part in kept.values() for clip in part]
        if not clips or rate is None:
            return
        actions = ActionSpace.choose(clips)
        tasks = list(dict.fromkeys(_task(clip) for clip in clips))
        colors = _PixelStatistics()
        episodes, first = [], 0
        for number, clip in enumerate(clips):
            self._video(writer, clip, number, rate, colors)
            episodes.append(_episode(clip, number, first, rate))
            first += len(clip)
        steps = _steps(clips, tasks, actions, rate)
        for chunk in range(0, len(clips), EPISODES_A_CHUNK):
            low = episodes[chunk]["dataset_from_index"]
            high = episodes[min(chunk + EPISODES_A_CHUNK, len(clips)) - 1]["dataset_to_index"]
            columns = {
                name: TypedColumn(column.kind, column.values[low:high]) for name, column in steps.items()
            }
            place = DATA.format(chunk_index=chunk // EPISODES_A_CHUNK, file_index=0)
            writer.write(encode_parquet(columns), *place.split("/"))
        writer.write(_index(episodes), "meta", "episodes", "chunk-000", "file-000.parquet")
        writer.write(_tasks(tasks), "meta", "tasks.parquet")
        writer.write(to_json(_stats(steps, colors)), "meta", "stats.json")
        writer.write(to_json(self._info(kept, tasks, actions, first, rate)), "meta", "info.json")

    def _video(
        self, writer: ExportWriter, clip: SceneClip, number: int, rate: float, colors: "_PixelStatistics"
    ) -> None:
        frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
        pictures = [frame.image(clip.image(index)) for index in range(len(clip))]
        colors.add(pictures)
        chunk, file = divmod(number, EPISODES_A_CHUNK)
        place = VIDEO.format(video_key=CAMERA, chunk_index=chunk, file_index=file)
        write_mp4(writer.path(*place.split("/")), pictures, rate, KEY_EVERY)

    def _info(
        self,
        kept: dict[str, list[SceneClip]],
        tasks: list[str],
        actions: ActionSpace | None,
        frames: int,
        rate: float,
    ) -> dict[str, Any]:
        told = int(rate) if float(rate).is_integer() else rate
        features: dict[str, Any] = {
            CAMERA: {
                "dtype": "video",
                "shape": [self.side, self.side, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.fps": told,
                    "video.height": self.side,
                    "video.width": self.side,
                    "video.channels": 3,
                    "video.codec": "h264",
                    "video.pix_fmt": "yuv420p",
                    "video.is_depth_map": False,
                    "has_audio": False,
                },
            }
        }
        if actions is not None:
            shape = [len(actions.names)]
            features["action"] = {"dtype": "float32", "shape": shape, "names": list(actions.names)}
        features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index"):
            features[name] = {"dtype": "int64", "shape": [1], "names": None}
        splits, first = {}, 0
        for split, clips in kept.items():
            if clips:
                splits[split] = f"{first}:{first + len(clips)}"
            first += len(clips)
        return {
            "codebase_version": "v3.0",
            "robot_type": None,
            "total_episodes": first,
            "total_frames": frames,
            "total_tasks": len(tasks),
            "chunks_size": EPISODES_A_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": told,
            "splits": splits,
            "data_path": DATA,
            "video_path": VIDEO,
            "features": features,
        }


class _PixelStatistics:
    """Mean, spread and range of the pixels of all frames, by channel, in [0, 1]."""

    def __init__(self) -> None:
        self._count = 0
        self._sum, self._squares = np.zeros(3), np.zeros(3)
        self._low, self._high = np.ones(3), np.zeros(3)

    def add(self, pictures: list[NDArray[np.uint8]]) -> None:
        for picture in pictures:
            values = picture.reshape(-1, 3) / 255.0
            self._count += len(values)
            self._sum += values.sum(axis=0)
            self._squares += (values**2).sum(axis=0)
            self._low = np.minimum(self._low, values.min(axis=0))
            self._high = np.maximum(self._high, values.max(axis=0))

    def to_json(self, frames: int) -> dict[str, Any]:
        mean = self._sum / self._count
        spread = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        named = {"min": self._low, "max": self._high, "mean": mean, "std": spread}
        return {name: value.reshape(3, 1, 1).tolist() for name, value in named.items()} | {"count": [frames]}


def _steps(
    clips: list[SceneClip], tasks: list[str], actions: ActionSpace | None, rate: float
) -> dict[str, TypedColumn]:
    lengths = [len(clip) for clip in clips]
    frames = np.concatenate([np.arange(length) for length in lengths])
    columns: dict[str, TypedColumn] = {}
    if actions is not None:
        rows = np.concatenate([actions.matrix(clip) for clip in clips])
        columns["action"] = TypedColumn(ListType("float32"), rows.tolist())
    columns["timestamp"] = TypedColumn("float32", (frames / rate).astype(np.float32).tolist())
    whole: dict[str, NDArray[np.int64]] = {
        "frame_index": frames,
        "episode_index": np.repeat(np.arange(len(clips)), lengths),
        "index": np.arange(len(frames)),
        "task_index": np.repeat([tasks.index(_task(clip)) for clip in clips], lengths),
    }
    return columns | {name: TypedColumn("int64", values.tolist()) for name, values in whole.items()}


def _episode(clip: SceneClip, number: int, first: int, rate: float) -> dict[str, Any]:
    chunk, file = divmod(number, EPISODES_A_CHUNK)
    return {
        "episode_index": number,
        "tasks": [_task(clip)],
        "length": len(clip),
        "data/chunk_index": chunk,
        "data/file_index": 0,
        "dataset_from_index": first,
        "dataset_to_index": first + len(clip),
        f"videos/{CAMERA}/chunk_index": chunk,
        f"videos/{CAMERA}/file_index": file,
        f"videos/{CAMERA}/from_timestamp": 0.0,
        f"videos/{CAMERA}/to_timestamp": len(clip) / rate,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "clip": clip.id,
    }


def _index(episodes: list[dict[str, Any]]) -> bytes:
    kinds: dict[type, ColumnType] = {int: "int64", float: "float64", str: "string", list: ListType("string")}
    return encode_parquet(
        {
            name: TypedColumn(kinds[type(value)], [episode[name] for episode in episodes])
            for name, value in episodes[0].items()
        }
    )


def _tasks(tasks: list[str]) -> bytes:
    """A data frame whose index is the task, as pandas marks it in a Parquet file."""
    told = [("task_index", "task_index", "int64", "int64"), (None, INDEX, "unicode", "object")]
    marks = {
        "index_columns": [INDEX],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": own, "metadata": None}
            for name, field, kind, own in told
        ],
        "pandas_version": "2.0.0",
    }
    columns = {
        "task_index": TypedColumn("int64", list(range(len(tasks)))),
        INDEX: TypedColumn("string", tasks),
    }
    return encode_parquet(columns, metadata={"pandas": json.dumps(marks)})


def _stats(steps: dict[str, TypedColumn], colors: _PixelStatistics) -> dict[str, Any]:
    found: dict[str, Any] = {}
    frames = 0
    for name, column in steps.items():
        values = np.array(column.values, np.float64).reshape(len(column.values), -1)
        known = values[np.isfinite(values).all(axis=1)]
        frames = len(values)
        if not len(known):
            continue
        found[name] = {
            "min": known.min(axis=0).tolist(),
            "max": known.max(axis=0).tolist(),
            "mean": known.mean(axis=0).tolist(),
            "std": known.std(axis=0).tolist(),
            "count": [len(known)],
        }
    return found | {CAMERA: colors.to_json(frames)}


def _task(clip: SceneClip) -> str:
    return next((row.text for row in clip.captions if row.track is None), "")


def _most(rates: list[float | None]) -> float | None:
    known = Counter(round(rate, 3) for rate in rates if rate is not None)
    return known.most_common(1)[0][0] if known else None


def _same(clip: SceneClip, rate: float | None) -> bool:
    return rate is not None and clip.row.frame_rate is not None and abs(clip.row.frame_rate - rate) < 1e-3
