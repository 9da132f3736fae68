"""The depth that came with a video of a dataset job, read in step with its frames."""

from itertools import count

import numpy as np
from maquette.contract import DepthFrames
from numpy.typing import NDArray

from media.errors import MediaError
from media.sandbox import Depths
from workers.datasets.errors import DatasetError
from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.jobs.context import JobContext
from workers.jobs.depth_maps import FARTHEST_M, NEAREST_M, ray_lengths


class SourceDepthReader:
    """z of the frames `first` to `last` in their order; nothing is decoded before the first is read."""

    def __init__(
        self, context: JobContext, given: DepthFrames, camera: Camera, first: int, last: int
    ) -> None:
        self._context, self._given, self._last = context, given, last
        self._ray_lengths = ray_lengths(camera).astype(np.float32) if given.measures == "distance" else None
        self._maps: Depths | None = None
        self._indices = count(first)
        self._first = first
        self._is_checked = False

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """z f32 (H, W) in metres, NaN where unknown.

        Raises MediaError `depth_unreadable`, DatasetError `depth_mismatch` or `depth_implausible`.
        """
        if self._maps is None:
            self._maps = self._context.media.open_depth_frames(
                self._given.media, self._first, self._last - self._first + 1
            )
        for index, depth in zip(self._indices, self._maps, strict=False):
            if index == frame:
                unit = self._given.metres_per_unit or (0.001 if depth.integers else 1.0)
                return self._to_metres(depth.values, unit)
        raise DatasetError("depth_mismatch", f"the depth ends before frame {frame} of its video")

    def close(self) -> None:
        """Free the decoder; one that has delivered all its maps is read to its end, and can be used again."""
        if self._maps is not None:
            if next(self._indices) > self._last:
                next(self._maps, None)
            self._maps.close()

    def _to_metres(self, values: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
        z = values * np.float32(unit)
        if self._ray_lengths is not None:
            z = z / self._ray_lengths
        known = np.isfinite(z) & (z > 0)
        if not self._is_checked and known.any():
            median = float(np.median(z[known]))
            if not NEAREST_M <= median <= FARTHEST_M:
                raise DatasetError(
                    "depth_implausible",
                    f"half of the depths are beyond {median:.3g} m: give the unit in 'metres_per_unit' "
                    "(0.001 for millimetres)",
                )
            self._is_checked = True
        # one number far away would use up the levels of all others when the map is stored
        return np.where(known & (z <= FARTHEST_M), z, np.float32(np.nan))


def check_depth_size(context: JobContext, given: DepthFrames, width: int, height: int) -> None:
    """Raise JobProblem for depth of another size than the video, MediaError for depth that is missing."""
    _, info = context.media.resolve(given.media)
    if (info["width"], info["height"]) != (width, height):
        raise JobProblem(
            "depth_mismatch",
            f"the depth is {info['width']} x {info['height']}, the upright video {width} x {height}",
        )


def check_depth_count(context: JobContext, given: DepthFrames, frames: int) -> None:
    """Raise JobProblem unless there is readable depth for each of `frames` decoded frames, and no more."""
    try:
        last_maps = len(list(context.media.open_depth_frames(given.media, max(0, frames - 1), 2)))
    except MediaError as error:
        raise JobProblem(error.code, error.detail) from error
    if last_maps != min(frames, 1):
        raise JobProblem(
            "depth_mismatch",
            f"the video has {frames} decoded frames, its depth has {'more' if last_maps else 'fewer'}",
        )
