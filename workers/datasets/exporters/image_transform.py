"""Frames in the size a format wants, with masks and intrinsics that follow, and MP4 files of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
FitMode = Literal["crop", "pad"]
GREY = 128
# one thread only: x264 gives other bytes for other numbers of threads
X264 = {"crf": "17", "preset": "medium", "threads": "1"}


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """A map of pictures (H, W) to `size` (height, width) that keeps squares square.

    `crop` cuts off what is too much on two sides, evenly; `pad` adds grey instead. Pixel (x, y) of the clip
    goes to (scale_x * x + shift_x, scale_y * y + shift_y), pixel centres at +0.5 in both; the two scales
    differ by less than one part in the size, because sizes are whole.
    """

    size: tuple[int, int]
    window: tuple[int, int, int, int]
    inside: tuple[int, int, int, int]

    @classmethod
    def fit(cls, clip: tuple[int, int], size: tuple[int, int], fit: FitMode = "crop") -> "ImageTransform":
        """The map of a clip of (height, width)."""
        (height, width), (tall, wide) = clip, size
        if fit == "crop":
            scale = max(tall / height, wide / width)
            h, w = min(height, round(tall / scale)), min(width, round(wide / scale))
            x, y = (width - w) // 2, (height - h) // 2
            return cls(size, (x, y, x + w, y + h), (0, 0, wide, tall))
        scale = min(tall / height, wide / width)
        h, w = min(tall, max(1, round(height * scale))), min(wide, max(1, round(width * scale)))
        x, y = (wide - w) // 2, (tall - h) // 2
        return cls(size, (0, 0, width, height), (x, y, x + w, y + h))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The map of homogeneous pixels (3, 3); `matrix @ K` are the new intrinsics."""
        x0, y0, x1, y1 = self.window
        u0, v0, u1, v1 = self.inside
        sx, sy = (u1 - u0) / (x1 - x0), (v1 - v0) / (y1 - y0)
        return np.array([[sx, 0, u0 - sx * x0], [0, sy, v0 - sy * y0], [0, 0, 1]], np.float64)

    def image(self, picture: Rgb) -> Rgb:
        """RGB (H, W, 3) of the clip as RGB of `size`; unchanged where nothing is to be done."""
        return self._mapped(picture, GREY, smooth=True)

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (H, W) of the clip as one of `size`."""
        return self._mapped(mask.view(np.uint8), 0, smooth=False).astype(np.bool_)

    def _mapped(self, picture: Rgb, fill: int, *, smooth: bool) -> Rgb:
        x0, y0, x1, y1 = self.window
        u0, v0, u1, v1 = self.inside
        part = np.ascontiguousarray(picture[y0:y1, x0:x1])
        if part.shape[:2] != (v1 - v0, u1 - u0):
            # INTER_AREA only makes smaller; nearest must keep pixel centres
            way = cv2.INTER_NEAREST_EXACT
            if smooth:
                way = cv2.INTER_AREA if (v1 - v0) <= (y1 - y0) else cv2.INTER_LINEAR
            part = np.asarray(cv2.resize(part, (u1 - u0, v1 - v0), interpolation=way), np.uint8)
        if part.shape[:2] == self.size:
            return part
        out = np.full((*self.size, *part.shape[2:]), fill, np.uint8)
        out[v0:v1, u0:u1] = part
        return out


def write_mp4(path: Path, frames: Iterable[Rgb], rate: float, key_every: int = 12) -> int:
    """Write RGB frames (H, W, 3) as H.264 at `rate` frames a second; frame k is shown at k / rate.

    H.264 of 4:2:0 needs even sides: an odd last row or column is left out. Gives the number of frames.
    `key_every`: every so many frames one can be read without those before it.
    """
    exact = Fraction(rate).limit_denominator(1001)
    count = 0
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=exact, options={**X264, "g": str(key_every)})
        stream.pix_fmt = "yuv420p"
        for count, picture in enumerate(frames, 1):
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if count == 1:
                stream.height, stream.width = height, width
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = count - 1, 1 / exact
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return count
