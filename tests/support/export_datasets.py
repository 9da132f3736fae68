"""A dataset to export: two rendered rooms with everything known, a recording with actions, bare balls."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from tests.support.drawn_sets import EXPORTS, find_drawn_set
from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset, movi_source, rendered_clip
from workers.datasets.importers.clip_publishing import CLIP_ATTRIBUTES, publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES

PHRASES = (*SETTINGS.phrases, "unicorn")
NAMES = ("mouse.dx", "key.w", "button.0")


def make_actions(frames: int) -> list[tuple[float, ...]]:
    """What somebody pressed: one row a frame."""
    return [(0.5 * frame, float(frame % 2), 0.0) for frame in range(frames)]


@lru_cache(maxsize=1)
def load_export_dataset() -> Dataset:
    """Made once a process; its splits are train and val, and nobody changes it."""
    if (drawn := find_drawn_set(EXPORTS)) is not None:
        return drawn
    sources = [
        movi_source(rendered_clip(0, 24), name="room", licence="CC-BY-4.0", session="a"),
        movi_source(rendered_clip(3, 24, False), name="still room", licence="CC-BY-4.0", session="c"),
        balls_source(
            1, name="game", licence="CC0-1.0", session="b", actions=make_actions(24), action_names=NAMES
        ),
        balls_source(2, count=3, name="balls", session="b"),
    ]
    settings = replace(SETTINGS, phrases=PHRASES, shares={"train": 0.5, "val": 0.5, "test": 0.0})
    folder = Path(mkdtemp(prefix="exports-"))
    dataset = make_dataset(folder, sources, settings)
    clips = [without_cameras(clip) if clip.source.name == "balls" else clip for clip in dataset.clips()]
    publish_clips(clips, folder / "exported", "test")
    return Dataset(folder / "exported")


def without_cameras(clip: SceneClip) -> SceneClip:
    """The clip, as if nobody knew where its camera was."""
    cameras = [replace(row, world_from_cam=None, source="unknown") for row in clip.cameras]
    tables = {
        name: getattr(clip, CLIP_ATTRIBUTES.get(name, name))
        for name in TABLES
        if name not in ("sources", "clips")
    }
    row = replace(clip.row, camera_source="unknown", scale_source=None)
    return SceneClip.from_tables(row, clip.source, {**tables, "cameras": cameras, "actions": []})


def all_close(a: object, b: object, error: float = 1e-5) -> bool:
    """Whether two arrays of numbers agree everywhere."""
    return bool(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)), initial=0.0) <= error)
