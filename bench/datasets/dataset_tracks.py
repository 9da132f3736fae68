"""The tracks of a dataset of one video by the default engine, in pixels and frames of the video."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from bench.datasets.truth_boxes import TrackBoxes
from bench.datasets.video_sources import open_source
from media.sandbox import Sandbox
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import load_engines

# pixels of stored frames: people of a crowd would be less than ten pixels wide at the usual 256
SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPart:
    """Frames `first` to `last` (None: its end) of a video of `rate` per second, and what is tracked."""

    path: Path
    rate: float
    phrases: tuple[str, ...]
    first: int = 0
    last: int | None = None


def track_part(part: VideoPart, rate: float, keep: Path | None) -> list[TrackBoxes]:
    """The tracks of a part at so many frames per second, also those kept in a folder by an earlier run."""
    saved = None if keep is None else keep / f"{part.path.stem}-{part.first}-{rate:g}.json"
    if saved is not None and saved.is_file():
        return [_parse(item) for item in json.loads(saved.read_text())]
    tracks = _build_tracks(part, rate)
    if saved is not None:
        saved.parent.mkdir(parents=True, exist_ok=True)
        content = [{"label": item.label, "failed": item.failed, "boxes": item.boxes} for item in tracks]
        saved.write_text(json.dumps(content))
    return tracks


def _parse(item: dict[str, Any]) -> TrackBoxes:
    boxes = {int(frame): tuple(box) for frame, box in item["boxes"].items()}
    return TrackBoxes(label=item["label"], boxes=boxes, failed=tuple(item["failed"]))


def _build_tracks(part: VideoPart, rate: float) -> list[TrackBoxes]:
    settings = DatasetSettings(
        phrases=part.phrases,
        clip_seconds=60.0,
        min_clip_seconds=0.5,
        trim_seconds=0.0,
        size=SIZE,
        frame_rate=None if rate >= part.rate else rate,
    )
    engine = load_engines("default").concepts()
    with tempfile.TemporaryDirectory() as scratch, Sandbox() as sandbox, _open_video(part) as video:
        source = replace(open_source(sandbox, video), frame_rate=part.rate)
        folder = Path(scratch)
        build_dataset(
            [source], Components(EngineTracks(engine, settings)), settings, folder / "work", folder / "data"
        )
        return list(_read_tracks(Dataset(folder / "data"), part.first))


def _read_tracks(data: Dataset, first: int) -> Iterator[TrackBoxes]:
    for clip in data.clips():
        scale = clip.source.width / clip.row.width
        numbers = [first + row.source_frame for row in clip.frames]
        rows = [*clip.observations, *clip.rejected_observations]
        for track in clip.all_tracks:
            boxes = {
                numbers[row.frame]: (row.x0 * scale, row.y0 * scale, row.x1 * scale, row.y1 * scale)
                for row in rows
                if row.track == track.track
            }
            yield TrackBoxes(label=track.concept or "", boxes=boxes, failed=track.failed)


@contextmanager
def _open_video(part: VideoPart) -> Iterator[Path]:
    """A part of a video as a file: lossless, for folders of images and long videos."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "part.mkv"
        with av.open(str(out), "w") as container:
            stream: Any = None
            for index, pixels in enumerate(read_frames(part.path)):
                if part.last is not None and index > part.last:
                    break
                if index < part.first:
                    continue
                if stream is None:
                    stream = container.add_stream("ffv1", rate=Fraction(part.rate).limit_denominator(1001))
                    stream.height, stream.width = pixels.shape[:2]
                    stream.pix_fmt = "yuv444p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode())
        yield out


def read_frames(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    """The frames of a video or of a folder of numbered JPEG files, RGB u8 (H, W, 3)."""
    if path.is_dir():
        for file in sorted(path.glob("*.jpg"), key=lambda file: int(file.stem)):
            with Image.open(file) as image:
                yield np.asarray(image.convert("RGB"))
        return
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
