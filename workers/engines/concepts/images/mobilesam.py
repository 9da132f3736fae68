"""MobileSAM (Zhang et al. 2023) by ONNX Runtime: an image to an embedding, a prompt to small masks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb
from workers.engines.weights import open_session

ENCODER = "mobilesam_encoder.onnx"
DECODER = "mobilesam_decoder.onnx"
# side in pixels of the square that the encoder reads, and of the masks that the decoder returns
INPUT_SIDE = 1024
MASK_SIDE = 256
# cells per side and channels of an embedding
GRID_SIDE = 64
CHANNELS = 256
EMBEDDING_BYTES = CHANNELS * GRID_SIDE * GRID_SIDE * 4
# pixels of the encoder's input per cell of an embedding
CELL = 16
# empty pixels beyond an image's end: without them cells at its border see less padding than on the square
CANVAS_MARGIN = 32
# grey levels of the padding, which is zero after normalisation
MEAN_COLOR = (124, 116, 104)
# logits beyond this are certain enough for a mask that is fed back as a prompt
PRIOR_LOGIT = 8.0
# the logit of what the decoder has not seen
OUTSIDE_LOGIT = -32.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageEmbedding:
    """The encoder's features f32[1,256,h,w] of an image, and how its pixels map into them.

    `image_size` is the image's (height, width), `scaled_size` the (height, width) of its copy in the top left
    of the 1024 x 1024 input. `origin` is the (row, column) of the first cell in the grid of 64 x 64 that
    covers that input: features of a region are a part of the grid. A mirrored embedding is that of the image
    flipped left to right.
    """

    features: Floats
    image_size: tuple[int, int]
    scaled_size: tuple[int, int]
    mirrored: bool = False
    origin: tuple[int, int] = (0, 0)

    @property
    def mask_extent(self) -> tuple[int, int]:
        """The (height, width) of the image in the decoder's 256 x 256 masks, at least 1 each."""
        height, width = (round(side * MASK_SIDE / INPUT_SIDE) for side in self.scaled_size)
        return max(height, 1), max(width, 1)

    @property
    def mask_window(self) -> tuple[slice, slice]:
        """The rows and columns of the decoder's 256 x 256 masks that the features cover."""
        cells = MASK_SIDE // GRID_SIDE
        (row, column), (height, width) = self.origin, self.features.shape[2:]
        return (
            slice(cells * row, cells * (row + height)),
            slice(cells * column, cells * (column + width)),
        )


@dataclass(frozen=True, slots=True)
class DecoderPrompt:
    """Points xy (N, 2) in pixels of the image (pixel centres at +0.5) and their labels (N,).

    Labels: 1 inside, 0 outside, 2 and 3 the corners of a box, -1 padding.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.int64]


class MobileSam:
    """The encoder and the decoder; raises the errors of `weights.open_session` when they cannot be loaded."""

    def __init__(self, threads: int = 2) -> None:
        self._encoder = open_session(ENCODER, threads)
        # several prompts are decoded at once instead: 26 ms for one with one thread, 22 to 31 ms with two
        self._decoder = open_session(DECODER, threads=1)
        self._empty: Floats | None = None

    def encode(self, image: Rgb, *, mirrored: bool = False, fitted: bool = False) -> ImageEmbedding:
        """Embed an RGB image (H, W, 3), as it is or flipped left to right, on the complete square.

        `fitted` encodes only the part of the square that the image covers, and takes the rest from an empty
        image: the time falls with the covered area, and masks change a little.
        """
        pixels = _scale_image(image, INPUT_SIDE)
        scaled = pixels.shape[0], pixels.shape[1]
        if mirrored:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        canvas = INPUT_SIDE, INPUT_SIDE
        if fitted:
            rows, columns = (_fit_window(0, side, side, side) for side in scaled)
            canvas = rows.stop, columns.stop
        features = self._run_encoder(pixels, canvas)
        if canvas != (INPUT_SIDE, INPUT_SIDE):
            fitted_features, features = features, self._empty_features().copy()
            features[:, :, : canvas[0] // CELL, : canvas[1] // CELL] = fitted_features
        return ImageEmbedding(features, image.shape[:2], scaled, mirrored)

    def encode_region(self, image: Rgb, region: Box) -> ImageEmbedding:
        """Embed a region (xyxy pixels) of an RGB image (H, W, 3) as it would be in the complete image.

        The decoder attends to the region alone: the time of both networks falls with its area, and nothing is
        found outside it. Without a prior mask, prompts are answered less well than on the complete image.
        """
        pixels = _scale_image(image, INPUT_SIDE)
        scaled = pixels.shape[0], pixels.shape[1]
        columns = _fit_window(region[0], region[2], image.shape[1], scaled[1])
        rows = _fit_window(region[1], region[3], image.shape[0], scaled[0])
        canvas = rows.stop - rows.start, columns.stop - columns.start
        features = self._run_encoder(np.ascontiguousarray(pixels[rows, columns]), canvas)
        origin = rows.start // CELL, columns.start // CELL
        return ImageEmbedding(features, image.shape[:2], scaled, origin=origin)

    def _empty_features(self) -> Floats:
        """The features f32[1,256,64,64] of a square without an image, computed once."""
        if self._empty is None:
            pixel = np.full((1, 1, 3), MEAN_COLOR, np.uint8)
            self._empty = self._run_encoder(pixel, (INPUT_SIDE, INPUT_SIDE))
        return self._empty

    def _run_encoder(self, pixels: Rgb, canvas: tuple[int, int]) -> Floats:
        features = self._encoder.run(None, {"image": pixels, "canvas": np.zeros(canvas, np.uint8)})[0]
        return np.asarray(features, dtype=np.float32)

    def decode(
        self, embedding: ImageEmbedding, prompt: DecoderPrompt, prior: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Masks as logits f32[4,256,256] and their predicted IoU f32[4].

        The first mask answers an unambiguous prompt; the others go from part to complete object. `prior` is
        an earlier mask of the same embedding as logits f32[256,256].
        """
        points, labels = prompt.points.copy(), prompt.labels
        if embedding.mirrored:
            points[:, 0] = embedding.image_size[1] - points[:, 0]
            points = _restore_corner_order(points, labels)
        height, width = embedding.image_size
        points *= (embedding.scaled_size[1] / width, embedding.scaled_size[0] / height)
        window = embedding.mask_window
        mask = np.zeros((MASK_SIDE, MASK_SIDE), np.float32) if prior is None else prior
        seen, scores = self._decoder.run(
            None,
            {
                "embedding": embedding.features,
                "origin": np.array(embedding.origin, np.float32),
                "coords": points[None].astype(np.float32),
                "labels": labels[None].astype(np.float32),
                "mask_logits": mask[window][None, None],
                "has_mask": np.array([prior is not None], np.float32),
            },
        )
        if seen.shape[2:] == mask.shape:
            return seen[0], scores[0]
        masks = np.full((seen.shape[1], *mask.shape), OUTSIDE_LOGIT, np.float32)
        masks[:, *window] = seen[0]
        return masks, scores[0]

    @staticmethod
    def upsample(embedding: ImageEmbedding, logits: Floats, size: tuple[int, int] | None = None) -> Floats:
        """Logits f32[256,256] as logits of the unmirrored image, at its own (H, W) or at `size`."""
        square = cv2.resize(logits, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR)
        scaled = square[: embedding.scaled_size[0], : embedding.scaled_size[1]]
        if embedding.mirrored:
            scaled = scaled[:, ::-1]
        height, width = embedding.image_size if size is None else size
        scaled = np.ascontiguousarray(scaled)
        return np.asarray(cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR))

    @staticmethod
    def prior_logits(embedding: ImageEmbedding, probability: Floats | Mask) -> Floats:
        """A mask (H, W) in 0..1, at any resolution of the image, as logits f32[256,256] of a prior mask."""
        # flipped first: a mask has a fourth of the bytes
        flipped = np.ascontiguousarray(probability[:, ::-1]) if embedding.mirrored else probability
        height, width = embedding.mask_extent
        shares = flipped.astype(np.float32, copy=False)
        small = cv2.resize(shares, (width, height), interpolation=cv2.INTER_AREA)
        out = np.full((MASK_SIDE, MASK_SIDE), -PRIOR_LOGIT, np.float32)
        out[:height, :width] = (small * 2 - 1) * PRIOR_LOGIT
        return out


def _scale_image(image: Rgb, side: int) -> Rgb:
    """An image (H, W, 3) whose longest side is `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=method))


def _fit_window(first: float, last: float, side: int, scaled: int) -> slice:
    """The smallest window of the encoder's input, along one axis, for pixels of an image's side.

    At the end of the image, of which `scaled` pixels are left of `side`, it has a margin.
    """
    start = int(max(first * scaled / side, 0) // CELL) * CELL
    stop = last * scaled / side
    stop = scaled + CANVAS_MARGIN if stop > scaled - CELL else stop
    length = min(math.ceil((stop - start) / CELL) * CELL, INPUT_SIDE)
    start = min(start, INPUT_SIDE - length)
    return slice(start, start + length)


def _restore_corner_order(points: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Swap the x of a mirrored box's corners, so that the corner with label 2 is the left one again."""
    corners = np.flatnonzero(labels >= 2)
    if corners.size == 2:
        first, second = corners
        points[[first, second], 0] = points[[second, first], 0]
    return points
