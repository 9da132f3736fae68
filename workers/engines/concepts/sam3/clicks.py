"""Boxes, points and masks on one image: the click decoder, from the modules of the video model."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.engines.concepts.sam3.image import Sam3Image
from workers.engines.concepts.sam3.kernels import tidy_logits
from workers.engines.concepts.sam3.loading import Loaded, click_model
from workers.engines.concepts.sam3.postprocess import stabilities
from workers.engines.concepts.sam3.preprocess import click_points, square_mask
from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.protocols import Box, Mask, SegmentedInstance, VisualPrompt
from workers.geometry.borders import touches_border
from workers.geometry.boxes import bounding_box, clip_box

LOW_QUALITY = 0.55
# a prior mask as logits, as transformers reads a mask that is given: almost 0 and almost 1
_SCALE, _BIAS = 20.0, -10.0


class Clicks:
    """Answers clicks on embedded images; the ViT's tokens are shared with the phrases."""

    def __init__(self, loaded: Loaded, *, fill_area: int) -> None:
        self._loaded = loaded
        self._model = click_model(loaded.model)
        self._fill_area = fill_area

    def features(self, image: Sam3Image, vision: Any) -> list[Any]:
        """The decoder's three maps (1, C, h, w), made once an image; `vision` is its vision output."""
        if image.clicks is None:
            with torch.inference_mode():
                maps, _ = self._loaded.model.get_vision_features_for_tracker(vision)
                maps[-1] = maps[-1] + self._model.no_memory_embedding
                image.clicks = [
                    flat.permute(1, 2, 0).reshape(1, -1, *shape)
                    for flat, shape in zip(maps, self._model.backbone_feature_sizes, strict=True)
                ]
        return image.clicks

    def segment(self, image: Sam3Image, vision: Any, click: VisualPrompt, index: int) -> SegmentedInstance:
        """Exactly one instance for a click; raises ValueError for a click that says nothing.

        One point alone is ambiguous: the best of three masks by the model's own score is taken.
        """
        box, points, labels = checked(click, image.size)
        size = self._model.prompt_encoder.mask_input_size
        around = bounding_box(click.mask) if box is None and click.mask is not None else box
        coordinates, marks = click_points(around, points, labels, image.size, self._loaded.side)
        prior = None
        if click.mask is not None:
            prior = prior_logits(click.mask, size[0]).to(self._loaded.device, self._loaded.dtype)
        with torch.inference_mode():
            out = self._model(
                image_embeddings=self.features(image, vision),
                input_points=coordinates.to(self._loaded.device),
                input_labels=marks.to(self._loaded.device),
                input_masks=prior,
                multimask_output=around is None and len(points) == 1,
            )
            best = int(out.iou_scores[0, 0].argmax())
            logits = tidy_logits(out.pred_masks[0, 0, best : best + 1].float(), self._fill_area)
            mask = next(upsample(logits, image.size, 1, soft=False))
            score = float(out.iou_scores[0, 0, best].clamp(0, 1))
        [stable] = stabilities(logits)
        return answered(mask, score, stable, around, points[labels == 1], index)


def answered(
    mask: Mask,
    score: float,
    stability: float | None,
    box: Box | None,
    points: NDArray[np.float64],
    index: int,
) -> SegmentedInstance:
    """The answer to a click whose box and inner points are given; an empty mask is made up from these."""
    if not mask.any():
        mask, score, stability = _made_up(mask.shape, box, points), 0.0, None
    flags = ("low_iou",) if score < LOW_QUALITY else ()
    if touches_border(mask):
        flags = (*flags, "truncated")
    return SegmentedInstance(mask, bounding_box(mask), score, index, None, flags, stability)


def prior_logits(mask: Mask, side: int) -> Any:
    """A mask (H, W) as the prior logits (1, 1, side, side) f32 that the model reads."""
    return square_mask(mask, side) * _SCALE + _BIAS


def checked(
    click: VisualPrompt, size: tuple[int, int], *, mends: bool = False
) -> tuple[Box | None, NDArray[np.float64], NDArray[np.int64]]:
    """The click's box inside the image, points (N, 2) and labels (N,); ValueError when it is unusable.

    A click that `mends` a mask may have points outside the object alone.
    """
    points = np.zeros((0, 2)) if click.points is None else np.asarray(click.points, np.float64).reshape(-1, 2)
    labels = (
        np.ones(len(points), np.int64) if click.labels is None else np.asarray(click.labels, np.int64).ravel()
    )
    if len(labels) != len(points) or not np.isin(labels, (0, 1)).all():
        raise ValueError("each point needs one label, 1 (inside) or 0 (outside)")
    if len(points) and not ((points >= 0) & (points <= size[::-1])).all():
        raise ValueError("a point lies outside the image")
    if click.mask is not None and (click.mask.shape != size or not click.mask.any()):
        raise ValueError(f"a mask prompt is a non-empty mask of the image's size {size}")
    box = None if click.box is None else clip_box(click.box, size)
    if box is None and click.mask is None and not (len(points) if mends else (labels == 1).any()):
        raise ValueError("a click needs a box, a mask, or a point inside the object")
    return box, points, labels


def _made_up(size: tuple[int, ...], box: Box | None, points: NDArray[np.float64]) -> Mask:
    """What the click itself says when the model finds nothing: its box, else a pixel at each point."""
    mask = np.zeros(size, np.bool_)
    if box is not None:
        mask[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))] = True
    for x, y in points:
        mask[min(int(y), size[0] - 1), min(int(x), size[1] - 1)] = True
    return mask
