"""MobileSAM by ONNX Runtime: an image to views, prompts on a view to low-resolution masks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Rgb
from workers.engines.weights import open_session

ENCODER = "mobilesam_encoder.onnx"
DECODER = "mobilesam_decoder.onnx"
SIDE = 1024
LOW = 256
VIEW_BYTES = 256 * 64 * 64 * 4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """One look at an image: its embedding f32[1,256,64,64], and how pixels map into it.

    `size` is the image's (height, width), `inner` the (height, width) of its copy in the 1024 square;
    a mirrored view saw the image flipped left to right.
    """

    embedding: Floats
    size: tuple[int, int]
    inner: tuple[int, int]
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """Points xy (N, 2) in pixels of the image (pixel centres at +0.5) and their labels (N,).

    Labels: 1 inside, 0 outside, 2 and 3 the corners of a box, -1 none.
    """

    coords: NDArray[np.float64]
    labels: NDArray[np.int64]


class MobileSam:
    """The two networks; raises the errors of `weights.open_session` when they cannot be loaded."""

    def __init__(self, threads: int = 2) -> None:
        self._encoder = open_session(ENCODER, threads)
        self._decoder = open_session(DECODER, threads)

    def encode(self, image: Rgb, *, mirrored: bool = False) -> View:
        """Embed an RGB image (H, W, 3), as it is or flipped left to right."""
        height, width = image.shape[:2]
        scale = SIDE / max(height, width)
        inner = max(round(height * scale), 1), max(round(width * scale), 1)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(np.ascontiguousarray(image), (inner[1], inner[0]), interpolation=method)
        if mirrored:
            small = np.ascontiguousarray(small[:, ::-1])
        embedding = self._encoder.run(None, {"image": small})[0]
        return View(embedding, (height, width), inner, mirrored)

    def decode(self, view: View, prompt: Prompt, prior: Floats | None = None) -> tuple[Floats, Floats]:
        """Masks as logits f32[4,256,256] of the view, and their predicted IoU f32[4].

        The first mask is the one for an unambiguous prompt; the others go from part to whole. `prior` is an
        earlier mask of the same view as logits f32[256,256].
        """
        coords = prompt.coords.copy()
        labels = prompt.labels
        if view.mirrored:
            coords[:, 0] = view.size[1] - coords[:, 0]
            coords, labels = _order_corners(coords, labels)
        coords *= (view.inner[1] / view.size[1], view.inner[0] / view.size[0])
        mask = np.zeros((LOW, LOW), np.float32) if prior is None else prior
        masks, scores = self._decoder.run(
            None,
            {
                "embedding": view.embedding,
                "coords": coords[None].astype(np.float32),
                "labels": labels[None].astype(np.float32),
                "mask_logits": mask[None, None],
                "has_mask": np.array([prior is not None], np.float32),
            },
        )
        return masks[0], scores[0]

    @staticmethod
    def upsample(view: View, logits: Floats, size: tuple[int, int] | None = None) -> Floats:
        """Logits f32[256,256] of a view as logits of the image, not mirrored, at its (H, W) or at `size`."""
        square = cv2.resize(logits, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        inner = square[: view.inner[0], : view.inner[1]]
        if view.mirrored:
            inner = inner[:, ::-1]
        height, width = view.size if size is None else size
        inner = np.ascontiguousarray(inner)
        return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR))

    @staticmethod
    def as_prior(view: View, probability: Floats, strength: float = 8.0) -> Floats:
        """A mask (H, W) in 0..1, at any resolution of the same image, as logits f32[256,256] of the view."""
        if view.mirrored:
            probability = np.ascontiguousarray(probability[:, ::-1])
        height, width = round(view.inner[0] * LOW / SIDE), round(view.inner[1] * LOW / SIDE)
        size = max(width, 1), max(height, 1)
        small = cv2.resize(probability, size, interpolation=cv2.INTER_AREA)
        out = np.full((LOW, LOW), -strength, np.float32)
        out[: size[1], : size[0]] = (small * 2 - 1) * strength
        return out


def _order_corners(
    coords: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """After a mirror, the corner with label 2 must again be the left one."""
    corners = np.flatnonzero(labels >= 2)
    if corners.size == 2:
        first, second = corners
        coords[[first, second], 0] = coords[[second, first], 0]
    return coords, labels
