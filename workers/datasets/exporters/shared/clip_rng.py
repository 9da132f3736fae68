"""Random choices of an exporter that are the same in every export."""

import zlib

import numpy as np

from workers.datasets.scene_clip import SceneClip


def make_clip_rng(clip: SceneClip, seed: int) -> np.random.Generator:
    """A random generator that depends on the id of the clip and the seed alone."""
    return np.random.default_rng([seed, zlib.crc32(clip.id.encode())])
