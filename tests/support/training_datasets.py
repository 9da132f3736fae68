"""A dataset to train small models on: twelve rendered rooms whose actions follow from where the camera is."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray

from scripts.drawn_scenes.clips import render_clip
from tests.support.drawn_sets import TRAINING, find_drawn_set
from tests.support.synthetic_datasets import SETTINGS, make_dataset, movi_source
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings

CLIPS, FRAMES, SIZE = 12, 24, (96, 96)
ACTION_NAMES = ("dx", "dy")
# of a camera in the axes of its first frame to an action
MIXING = np.array([[3.0, 0.5, -1.0], [-1.0, 2.0, 0.5]])


def follow_camera(world_from_cam: NDArray[np.float64]) -> NDArray[np.float64]:
    """The actions (T, 2) that belong to cameras (T, 4, 4): a policy can learn them from its state."""
    moved = (np.linalg.inv(world_from_cam[0]) @ world_from_cam)[:, :3, 3]
    return np.asarray(np.tanh(moved @ MIXING.T))


def list_settings() -> DatasetSettings:
    """Clips of all frames, and every clip for training but one in five."""
    shares = {"train": 0.8, "val": 0.2, "test": 0.0}
    return replace(SETTINGS, clip_seconds=2.0, trim_seconds=0.0, shares=shares)


@lru_cache(maxsize=1)
def load_training_dataset() -> Dataset:
    """Made once a process, and nobody changes it."""
    if (drawn := find_drawn_set(TRAINING)) is not None:
        return drawn
    sources = []
    for seed in range(CLIPS):
        clip = render_clip(seed, frames=FRAMES, size=SIZE, moving_camera=True)
        actions = [tuple(row) for row in follow_camera(clip.world_from_cam).tolist()]
        fields = {"actions": actions, "action_names": ACTION_NAMES, "session": str(seed), "name": str(seed)}
        sources.append(movi_source(clip, **fields))
    return make_dataset(Path(mkdtemp(prefix="training-")), sources, list_settings())
