"""The exporter of LeRobot v3.0."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.lerobot.layout import (
    CAMERA,
    EPISODES_PER_CHUNK,
    build_info,
    get_task,
    locate_data_file,
    locate_video,
)
from workers.datasets.exporters.lerobot.statistics import PixelStatistics, compute_column_statistics
from workers.datasets.exporters.lerobot.tables import (
    build_episode,
    build_steps,
    encode_episodes,
    encode_tasks,
)
from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.exporters.shared.mp4 import write_mp4
from workers.datasets.exporters.shared.typed_parquet import TypedColumn, encode_parquet
from workers.datasets.scene_clip import SceneClip

# trainers read single frames in any order
KEY_FRAME_INTERVAL = 2
# frames per second; rates closer than this are the same
RATE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class LeRobot(Exporter):
    """Parquet, MP4 and `meta/`: one episode per clip, in the order train, val, test, which `meta/info.json`
    lists.

    The `timestamp` of frame k is k / fps. `action` f32 (A,) is NaN in the last frame and where unknown; there
    is no such feature when no clip has actions. The task of an episode is the caption of its clip.
    """

    side: Annotated[int, "pixels of the square images"] = 256
    fit: FitOption = "crop"

    name: ClassVar[str] = "lerobot"
    summary: ClassVar[str] = "LeRobot v3.0: Parquet and MP4 episodes with metadata and statistics"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras and depth",
        "the image outside the square crop (fit=pad keeps it), and its size",
        "pixels, to H.264 (crf 17)",
        "times: frames are taken to be even; clips of another rate than most are left out",
        "one of two kinds of actions: recorded ones go before ego-motion",
        "statistics by episode: there are those of the whole set",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        clips_by_split, rate = _select_clips(writer)
        clips = [clip for part in clips_by_split.values() for clip in part]
        if not clips or rate is None:
            return
        actions = ActionSpace.choose(clips)
        tasks = list(dict.fromkeys(get_task(clip) for clip in clips))
        pixels = PixelStatistics()
        episodes: list[dict[str, Any]] = []
        frames = 0
        for number, clip in enumerate(clips):
            self._write_video(writer, clip, number, rate, pixels)
            episodes.append(build_episode(clip, number, frames, rate))
            frames += len(clip)
        steps = build_steps(clips, tasks, actions, rate)
        _write_steps(writer, steps, episodes)
        writer.write(encode_episodes(episodes), "meta", "episodes", "chunk-000", "file-000.parquet")
        writer.write(encode_tasks(tasks), "meta", "tasks.parquet")
        statistics = compute_column_statistics(steps) | {CAMERA: pixels.to_json(frames)}
        writer.write(encode_json(statistics), "meta", "stats.json")
        info = build_info(
            clips_by_split, tasks=len(tasks), frames=frames, rate=rate, side=self.side, actions=actions
        )
        writer.write(encode_json(info), "meta", "info.json")

    def _write_video(
        self, writer: ExportWriter, clip: SceneClip, number: int, rate: float, pixels: PixelStatistics
    ) -> None:
        images = ImageTransform.fit_square(clip, self.side, self.fit).transform_frames(clip)
        pixels.add(images)
        write_mp4(writer.new_file(*locate_video(number)), images, rate, KEY_FRAME_INTERVAL)


def _select_clips(writer: ExportWriter) -> tuple[dict[str, list[SceneClip]], float | None]:
    """The clips of the most common frame rate by split, and that rate; other clips are left out."""
    clips_by_split = writer.clips_by_split()
    clips = [clip for part in clips_by_split.values() for clip in part]
    rate = _find_most_common(clip.row.frame_rate for clip in clips)
    for clip in clips:
        if not _has_rate(clip, rate):
            writer.leave_out(clip, f"its rate is {clip.row.frame_rate}, not {rate}")
    return {
        split: [clip for clip in part if _has_rate(clip, rate)] for split, part in clips_by_split.items()
    }, rate


def _write_steps(writer: ExportWriter, steps: dict[str, TypedColumn], episodes: list[dict[str, Any]]) -> None:
    """Write the steps of every chunk of episodes to a file of its own."""
    for first in range(0, len(episodes), EPISODES_PER_CHUNK):
        last = min(first + EPISODES_PER_CHUNK, len(episodes)) - 1
        start, end = episodes[first]["dataset_from_index"], episodes[last]["dataset_to_index"]
        columns = {name: TypedColumn(column.type, column.values[start:end]) for name, column in steps.items()}
        writer.write(encode_parquet(columns), *locate_data_file(first // EPISODES_PER_CHUNK))


def _find_most_common(rates: Iterable[float | None]) -> float | None:
    counts = Counter(round(rate, 3) for rate in rates if rate is not None)
    return counts.most_common(1)[0][0] if counts else None


def _has_rate(clip: SceneClip, rate: float | None) -> bool:
    frame_rate = clip.row.frame_rate
    return rate is not None and frame_rate is not None and abs(frame_rate - rate) < RATE_TOLERANCE
