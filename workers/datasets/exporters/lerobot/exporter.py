"""The exporter of LeRobot v3.0."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from workers.datasets.dataset_rates import count_rates, format_rates
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.lerobot.features import VALID_PREFIX, StepFeatures
from workers.datasets.exporters.lerobot.layout import (
    CAMERA,
    EPISODES_PER_CHUNK,
    build_info,
    describe_camera,
    get_task,
    locate_data_file,
    locate_episodes,
    locate_video,
    number_splits,
)
from workers.datasets.exporters.lerobot.rates import choose_rate, is_same_rate
from workers.datasets.exporters.lerobot.statistics import ColumnStatistics, PixelStatistics
from workers.datasets.exporters.lerobot.tables import (
    Columns,
    build_episode,
    encode_episodes,
    encode_steps,
    encode_tasks,
)
from workers.datasets.exporters.option_limits import SIDES
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.action_space import ActionKindOption
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform, Rgb
from workers.datasets.exporters.shared.mp4 import encode_mp4
from workers.datasets.scene_clip import SceneClip

# trainers read single frames in any order
KEY_FRAME_INTERVAL = 2


@dataclass(frozen=True)
class LeRobot(Exporter):
    """Parquet, MP4 and `meta/`: one episode per clip, in the order train, val, test, which `meta/info.json`
    lists.

    - `action` f32 (A,) leads from a frame to the next. Frames after the last known action of a clip are no
      steps, so that every step has a target; the reader's `action_is_pad` covers what would follow
    - `observation.state` f32 (6,): the camera in the axes of its first frame, x y z in metres (or units of
      the world) and the rotation vector. With `actions=subject` f32 (4,): the middle and the size of the
      box of the largest track, as shares of the whole image, and `action` is the same of the next frame
    - `valid.action`, `valid.observation.state` bool: values of other steps are not known, and 0. There is no
      NaN. LeRobot's own policies do not read these masks: give them the episodes that have actions

    A feature that no clip has is not there. `timestamp` of frame k is k / fps. The task of an episode is the
    caption of its clip. `meta/episodes` also has the statistics of every episode, and of its clip the id, the
    split, the rate, the source of the scale of its world, and whether it has actions.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 256
    fit: FitOption = "crop"
    actions: ActionKindOption = "auto"
    other_rates: Annotated[
        Literal["refuse", "leave_out"], "what becomes of clips of another frame rate than most have"
    ] = "refuse"

    name: ClassVar[str] = "lerobot"
    summary: ClassVar[str] = "LeRobot v3.0: Parquet and MP4 episodes with metadata and statistics"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, intrinsics and depth",
        "the image outside the square crop (fit=pad keeps it), and its size",
        "pixels, to H.264 (crf 17)",
        "times: frames are taken to be even, and rates within 1% to be equal. A dataset of several rates is"
        " refused (`rates_mixed`): make it with a frame rate, or leave the clips of other rates out",
        "all but one kind of actions, and the frames of a clip after its last known action",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        clips_by_split, rate = self._select_clips(writer)
        clips = ClipSequence(writer.dataset, [row for part in clips_by_split.values() for row in part.rows])
        if not clips or rate is None:
            return
        features = StepFeatures.choose(clips, self.actions)
        tasks: dict[str, int] = {}
        pixels, statistics = PixelStatistics(), ColumnStatistics()
        # of one chunk
        episodes: list[dict[str, Any]] = []
        tables: list[Columns] = []
        first = 0
        build = partial(self._build_video, features, rate)
        for number, (clip, part) in enumerate(writer.build_parts(build, clips)):
            steps = features.count_steps(clip)
            columns = features.build(clip, steps)
            writer.leave_out_actions(clip, features.actions)
            task = tasks.setdefault(get_task(clip), len(tasks))
            columns |= _number_steps(steps, number, first, task, rate)
            first += steps
            writer.write(bytes(part["video"]), *locate_video(number))
            own_pixels = PixelStatistics(np.asarray(part["levels"]), steps)
            own = ColumnStatistics()
            for each in (own, statistics):
                _add_columns(each, columns)
            pixels.merge(own_pixels)
            episodes.append(
                build_episode(clip, columns, own.to_json() | {CAMERA: own_pixels.to_json()}, rate)
            )
            tables.append(columns)
            if len(episodes) == EPISODES_PER_CHUNK or number == len(clips) - 1:
                chunk = number // EPISODES_PER_CHUNK
                writer.write(encode_steps(tables), *locate_data_file(chunk))
                writer.write(encode_episodes(episodes), *locate_episodes(chunk))
                episodes, tables = [], []
        writer.write(encode_tasks(list(tasks)), "meta", "tasks.parquet")
        writer.write(encode_json(statistics.to_json() | {CAMERA: pixels.to_json()}), "meta", "stats.json")
        info = build_info(
            len(clips),
            first,
            splits=number_splits({split: len(part) for split, part in clips_by_split.items()}),
            tasks=len(tasks),
            rate=rate,
            features={CAMERA: describe_camera(self.side, rate)} | features.describe(),
        )
        writer.write(encode_json(info), "meta", "info.json")

    def _select_clips(self, writer: ExportWriter) -> tuple[dict[str, ClipSequence], float | None]:
        """The clips of the most frequent rate, by split, and that rate; raises DatasetError `rates_mixed`."""
        clips_by_split = writer.clips_by_split()
        rate = choose_rate(row.frame_rate for part in clips_by_split.values() for row in part.rows)
        chosen: dict[str, ClipSequence] = {}
        for split, part in clips_by_split.items():
            kept = [row for row in part.rows if is_same_rate(row.frame_rate, rate)]
            chosen[split] = ClipSequence(part.dataset, kept)
            # a clip of one frame has no rate
            is_mixed = any(row.frame_rate and not is_same_rate(row.frame_rate, rate) for row in part.rows)
            if is_mixed and self.other_rates == "refuse":
                rates = format_rates(count_rates(writer.dataset.clip_rows))
                raise DatasetError(
                    "rates_mixed",
                    f"LeRobot has one frame rate, and the dataset has {rates}: make it with a frame rate "
                    "(--frame-rate), or give the option other_rates=leave_out",
                )
            for clip in part:
                if not is_same_rate(clip.row.frame_rate, rate):
                    writer.leave_out(clip, f"its rate is {clip.row.frame_rate}, not {rate}")
        return chosen, rate

    def _build_video(self, features: StepFeatures, rate: float, clip: SceneClip) -> Part:
        """The video of the steps of a clip, and how often each level of its channels comes up."""
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        pixels = PixelStatistics()

        def count_images() -> Iterator[Rgb]:
            for frame in range(features.count_steps(clip)):
                image = transform.transform_image(clip.image(frame))
                pixels.add([image])
                yield image

        video = encode_mp4(count_images(), rate, KEY_FRAME_INTERVAL)
        return {"video": video, "levels": pixels.counts}


def _number_steps(steps: int, episode: int, first: int, task: int, rate: float) -> Columns:
    """The columns that every LeRobot dataset has."""
    frames = np.arange(steps)
    return {
        "timestamp": (frames / rate).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full(steps, episode),
        "index": first + frames,
        "task_index": np.full(steps, task),
    }


def _add_columns(statistics: ColumnStatistics, columns: Columns) -> None:
    for name, values in columns.items():
        statistics.add(name, values, columns.get(VALID_PREFIX + name))
