"""Crop or pad the frames of a clip to the size of a format, with their masks and intrinsics."""

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.scene_clip import SceneClip

Rgb = NDArray[np.uint8]
FitMode = Literal["crop", "pad"]
FitOption = Annotated[FitMode, "`crop` cuts both ends of the longer side, `pad` adds grey"]
PADDING_GREY = 128


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """A crop or pad, followed by a resize to `size` (height, width), that keeps squares square.

    `window` x0 y0 x1 y1 is the part of the frame that is kept; `inside` is where it lies in the output.
    Pixel (x, y) of the frame goes to (scale_x * x + shift_x, scale_y * y + shift_y), pixel centres at +0.5 in
    both. The two scales may differ by less than one pixel over the size, because sizes are whole numbers.
    """

    size: tuple[int, int]
    window: tuple[int, int, int, int]
    inside: tuple[int, int, int, int]

    @classmethod
    def fit(
        cls, frame_size: tuple[int, int], size: tuple[int, int], mode: FitMode = "crop"
    ) -> "ImageTransform":
        """The transform of frames of `frame_size` (height, width) to `size`."""
        (height, width), (out_height, out_width) = frame_size, size
        if mode == "crop":
            scale = max(out_height / height, out_width / width)
            h, w = min(height, round(out_height / scale)), min(width, round(out_width / scale))
            x, y = (width - w) // 2, (height - h) // 2
            return cls(size, (x, y, x + w, y + h), (0, 0, out_width, out_height))
        scale = min(out_height / height, out_width / width)
        h = min(out_height, max(1, round(height * scale)))
        w = min(out_width, max(1, round(width * scale)))
        x, y = (out_width - w) // 2, (out_height - h) // 2
        return cls(size, (0, 0, width, height), (x, y, x + w, y + h))

    @classmethod
    def fit_square(cls, clip: SceneClip, side: int, mode: FitMode) -> "ImageTransform":
        """The transform of the frames of a clip to squares."""
        return cls.fit(clip.size, (side, side), mode)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The transform of homogeneous pixel coordinates (3, 3); `matrix @ K` are the new intrinsics."""
        x0, y0, x1, y1 = self.window
        u0, v0, u1, v1 = self.inside
        sx, sy = (u1 - u0) / (x1 - x0), (v1 - v0) / (y1 - y0)
        return np.array([[sx, 0, u0 - sx * x0], [0, sy, v0 - sy * y0], [0, 0, 1]], np.float64)

    def transform_image(self, image: Rgb) -> Rgb:
        """RGB (H, W, 3) of the clip as RGB of `size`; the same pixels when the size is right already."""
        return self._transform(image, PADDING_GREY, smooth=True)

    def transform_frames(self, clip: SceneClip) -> list[Rgb]:
        """Every frame of a clip as RGB of `size`."""
        return [self.transform_image(clip.image(frame)) for frame in range(len(clip))]

    def transform_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (H, W) of the clip as one of `size`."""
        return self._transform(mask.view(np.uint8), 0, smooth=False).astype(np.bool_)

    def _transform(self, image: Rgb, padding: int, *, smooth: bool) -> Rgb:
        x0, y0, x1, y1 = self.window
        u0, v0, u1, v1 = self.inside
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        if part.shape[:2] != (v1 - v0, u1 - u0):
            # NEAREST_EXACT keeps pixel centres, INTER_NEAREST does not; INTER_AREA can only shrink
            interpolation = cv2.INTER_NEAREST_EXACT
            if smooth:
                interpolation = cv2.INTER_AREA if (v1 - v0) <= (y1 - y0) else cv2.INTER_LINEAR
            part = np.asarray(cv2.resize(part, (u1 - u0, v1 - v0), interpolation=interpolation), np.uint8)
        if part.shape[:2] == self.size:
            return part
        out = np.full((*self.size, *part.shape[2:]), padding, np.uint8)
        out[v0:v1, u0:u1] = part
        return out
