"""Datasets that tests make themselves, from rendered clips whose truth is known; no engine is needed."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from maquette.contract.datasets import SourceInfo
from maquette.contract.geometry import Intrinsics
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from scripts.drawn_scenes import clips as movi
from tests.support.scenes import draw_ball, make_wall
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, KnownBox, Source, SourceFrames
from workers.datasets.track_sources import OracleTracks

Rgb = NDArray[np.uint8]
Masks = Mapping[int, NDArray[np.bool_]]
RATE = 12


def make_source(
    frames: Sequence[Rgb],
    *,
    info: SourceInfo | None = None,
    truth: GroundTruth | None = None,
    rate: int = RATE,
    name: str = "",
) -> Source:
    """A source of frames (H, W, 3) in memory; its hash is that of the pixels and the name."""
    height, width = frames[0].shape[:2]
    hashed = hashlib.sha256(name.encode())
    for frame in frames:
        hashed.update(frame.tobytes())

    def opened(first: int, count: int | None) -> Generator[DecodedFrame, None, None]:
        last = len(frames) if count is None else first + count
        for index in range(first, last):
            yield DecodedFrame(index, index, frames[index])

    return Source(
        hashed.hexdigest(),
        width,
        height,
        len(frames),
        float(rate),
        lambda first, count: SourceFrames((1, rate), opened(first, count)),
        info or SourceInfo(),
        truth or GroundTruth(),
    )


def movi_source(clip: movi.RenderedClip, rate: int = RATE, **fields: object) -> Source:
    """A rendered clip with everything known: masks, depth, camera, boxes."""
    k = clip.intrinsics

    def objects(frame: int) -> Masks:
        return {number + 1: clip.ids[frame] == number + 1 for number in range(len(clip.labels))}

    def known(frame: int) -> dict[int, KnownBox]:
        return {
            number + 1: KnownBox(clip.world_from_object[frame, number], clip.sizes[number])
            for number in range(len(clip.labels))
        }

    info = SourceInfo(
        camera=Intrinsics(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2]),
        world_from_cam=[tuple(tuple(row) for row in pose) for pose in clip.world_from_cam.tolist()],
        scale="metric",
        **fields,  # type: ignore[arg-type]
    )
    labels = {number + 1: label for number, label in enumerate(clip.labels)}
    truth = GroundTruth(objects, labels, lambda frame: clip.depth[frame], known)
    return make_source(list(clip.frames), info=info, truth=truth, rate=rate)


@lru_cache(maxsize=8)
def rendered_clip(seed: int, frames: int = 24, moving: bool = True) -> movi.RenderedClip:
    """A clip of the drawer, made once."""
    return movi.render_clip(seed, frames=frames, moving_camera=moving)


def render_balls(
    seed: int, frames: int = 24, count: int = 2, *, label: str = "ball", size: tuple[int, int] = (120, 160)
) -> tuple[list[Rgb], list[dict[int, NDArray[np.bool_]]]]:
    """Striped balls of different colours on a wall, each on its own lane; frames and masks by id."""
    rng = np.random.default_rng([7, seed])
    background = make_wall(seed, size)
    colors = [(220, 60, 40), (40, 110, 220), (60, 180, 70), (230, 200, 40)]
    order = rng.permutation(len(colors))[:count]
    radius = size[0] / (2.6 * count + 1.5)
    starts = rng.uniform(0.2, 0.8, count) * size[1]
    speeds = rng.uniform(1.0, 2.2, count) * rng.choice([-1, 1], count)
    images, masks = [], []
    for index in range(frames):
        image = background.copy()
        mine = {}
        for number in range(count):
            x = starts[number] + speeds[number] * index
            # turns round at the walls, so that every ball stays whole in sight
            low, high = radius + 2, size[1] - radius - 2
            x = low + abs((x - low) % (2 * (high - low)) - (high - low))
            y = (number + 0.5) * size[0] / count
            mine[number + 1] = draw_ball(image, (y, x), radius, colors[order[number]])
        images.append(image)
        masks.append(mine)
    return images, masks


def balls_source(seed: int, frames: int = 24, count: int = 2, **fields: object) -> Source:
    """A source of rendered balls with known masks, and nothing else known."""
    images, masks = render_balls(seed, frames, count)
    truth = GroundTruth(lambda frame: masks[frame], dict.fromkeys(range(1, count + 1), "ball"))
    return make_source(images, info=SourceInfo(**fields), truth=truth)  # type: ignore[arg-type]


SETTINGS = DatasetSettings(phrases=("ball", "box", "capsule", "cylinder", "torus", "cone"), clip_seconds=1.0)


def make_dataset(
    folder: Path, sources: Sequence[Source] = (), settings: DatasetSettings = SETTINGS
) -> Dataset:
    """A dataset on disk; by default one rendered clip with everything known and two videos of balls."""
    given = list(sources) or [
        movi_source(rendered_clip(0), name="room", licence="CC-BY-4.0", session="a"),
        balls_source(1, name="balls", licence="CC0-1.0", session="b"),
        balls_source(2, count=3, name="more balls", session="b"),
    ]
    build_dataset(
        given, Components(OracleTracks(settings.phrases)), settings, folder / "work", folder / "dataset"
    )
    return Dataset(folder / "dataset")
