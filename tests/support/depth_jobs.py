"""Dataset jobs of a rendered clip whose exact depth is known, with an engine that knows the truth."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from maquette.sources.depth_frames import write_depth_file
from numpy.typing import NDArray
from PIL import Image

from scripts.drawn_scenes.clips import RenderedClip
from tests.support.dataset_worlds import World
from tests.support.synthetic_datasets import movi_source, rendered_clip
from workers.engines.protocols import EngineInfo, FrameResult, TrackedInstance, VideoFrame
from workers.engines.registry import EngineSet
from workers.geometry.boxes import bounding_box

SEED, FRAMES, RATE = 0, 24, 12
TICKS = 1024


def load_clip() -> RenderedClip:
    """The clip, rendered by the first test that asks for it."""
    return rendered_clip(SEED, FRAMES)


def list_labels() -> tuple[str, ...]:
    """The clip's labels, once each."""
    return tuple(dict.fromkeys(load_clip().labels))


class Drawn:
    """An engine that knows the truth in each frame of the clip."""

    info = EngineInfo("truth", "concepts", "1", "cpu", "Apache-2.0", (), ())

    def __init__(self) -> None:
        self.frames = 0

    def check(self, phrases: Sequence[str]) -> None:
        return

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> "Drawn":
        return self

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        self.frames += 1
        clip, labels = load_clip(), list_labels()
        ids = clip.ids[frame.pts // TICKS]
        actual = [
            TrackedInstance(
                ids == n,
                bounding_box(ids == n),
                0.9,
                labels.index(clip.labels[n - 1]),
                clip.labels[n - 1],
                id=n,
            )
            for n in range(1, len(clip.labels) + 1)
            if (ids == n).any()
        ]
        return [FrameResult(frame.index, frame.pts, tuple(actual))]

    def finish(self) -> Sequence[FrameResult]:
        return []


def write_clip(path: Path, frames: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def open_world(folder: Path) -> Iterator[World]:
    """A world for dataset jobs whose engine knows the rendered clip, its first video."""
    world = World(folder, size=256)
    world.engine = Drawn()  # type: ignore[assignment]
    world.engines = EngineSet("default", {"concepts": world.engine})
    world.videos = [world.put(write_clip(world.folder / "drawn.mp4", load_clip().frames))]
    yield world
    world.sandbox.close()
    world.db.close()


def create_job(world: World, depth: Any, *, camera: bool = True, **options: Any) -> str:
    """A job of the rendered clip; `depth` as a request has it, or None."""
    known = movi_source(load_clip()).info.model_dump() if camera else {}
    fields = {"text": list(list_labels()), "clip_seconds": 1.0, "sources": [{**known, "depth": depth}]}
    return world.job(**{**fields, **options})


def store_maps(world: World, name: str, maps: NDArray[Any]) -> dict[str, Any]:
    path = world.folder / name
    np.save(path, maps)
    return {"id": world.put(path).id}


def write_images(folder: Path, suffix: str = ".png") -> Path:
    """The depth of the rendered clip in a new folder, one 16-bit image in millimetres per frame."""
    folder.mkdir()
    for index, depth in enumerate(load_clip().depth):
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(folder / f"{index}{suffix}")
    return folder


def store_images(world: World, suffix: str) -> dict[str, Any]:
    folder = write_images(world.folder / f"depth{suffix}", suffix)
    return {"id": world.put(write_depth_file(folder, folder)).id}
