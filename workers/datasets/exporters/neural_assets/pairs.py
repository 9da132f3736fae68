"""Choosing pairs of frames of a clip, and the objects that have tokens in both."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.neural_assets.tokens import encode_box_2d, encode_box_3d
from workers.datasets.exporters.shared.clip_rng import make_clip_rng
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow

Floats = NDArray[np.float32]
# draws per wanted pair before a short clip is given up: most of its pairs come up twice
DRAWS_PER_PAIR = 4
COMPLETE_IMAGE = (0, 0, 1, 1)


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames of a clip, and the tracks that have an appearance in one and a pose in the other.

    `observations` has the source and target observation of each of the n tracks; `boxes` f32 (N + 1, 4) their
    boxes in the source frame, y0 x0 y1 x1 in [0, 1], zeros after the n-th, and the complete image last.
    """

    source: int
    target: int
    observations: tuple[tuple[ObservationRow, ObservationRow], ...]
    boxes: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSampler:
    """Chooses pairs of one clip: `objects` is N, `max_gap` the largest distance in frames."""

    clip: SceneClip
    transform: ImageTransform
    objects: int
    max_gap: int

    def sample(self, count: int, seed: int) -> Iterator[FramePair]:
        """Up to `count` different pairs that have an object; gaps are uniform, in both directions."""
        rng = make_clip_rng(self.clip, seed)
        length = len(self.clip)
        tried: set[tuple[int, int]] = set()
        for _ in range(DRAWS_PER_PAIR * count):
            gap = int(rng.integers(0, min(self.max_gap, length - 1) + 1))
            first = int(rng.integers(0, length - gap))
            ends = (first, first + gap) if rng.random() < 0.5 else (first + gap, first)
            if ends in tried:
                continue
            tried.add(ends)
            pair = self.build(*ends)
            if pair.observations:
                yield pair
            if len(tried) == count:
                return

    def build(self, source: int, target: int, other: SceneClip | None = None) -> FramePair:
        """The pair of two frames with the largest objects that have a mask in `source` and a 3D box in
        `target` that lies in front of the camera; in the order of their tracks.

        `target` is a frame of `other`, a clip of the same size with the same tracks, or of the same clip.
        """
        target_clip = other or self.clip
        in_target = {row.track: row for row in target_clip.frame_observations(target)}
        intrinsics = self.transform.matrix @ target_clip.intrinsics(target)
        side = self.transform.size[0]
        candidates = []
        for row in self.clip.frame_observations(source):
            later = in_target.get(row.track)
            if later is None or encode_box_3d(target_clip.corners(later), intrinsics, side) is None:
                continue
            box = encode_box_2d(self.transform.transform_mask(self.clip.mask(row)))
            if box is not None:
                candidates.append((row, later, box))
        largest = sorted(candidates, key=lambda item: (-item[0].area, item[0].track))[: self.objects]
        largest.sort(key=lambda item: item[0].track)
        boxes = np.zeros((self.objects + 1, 4), np.float32)
        for number, (_, _, box) in enumerate(largest):
            boxes[number] = box
        boxes[-1] = COMPLETE_IMAGE
        return FramePair(source, target, tuple((row, later) for row, later, _ in largest), boxes)
