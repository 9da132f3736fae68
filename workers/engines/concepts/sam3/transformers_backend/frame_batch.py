"""Several frames of a video through backbone, neck and detector together.

What these compute of a frame depends on no other frame; association, propagation and memory do, and stay
frame by frame. transformers processes one frame per call and takes no precomputed outputs, so for the length
of a call three of its methods are replaced by ones that return them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3ImageSegmentationOutput, Sam3VisionEncoderOutput

from workers.engines.concepts.sam3.transformers_backend.sessions import Features


class FrameBatch:
    """Frames (1, 3, S, S) in order; nothing is computed before it is read.

    The backbone takes all frames from the first one read on in one forward. The detector takes frames x
    phrases of at most as many as there are frames, or one frame, so that many phrases cost no more memory.
    """

    def __init__(self, model: Any, pixels: Sequence[Any], phrases: int) -> None:
        self._model, self._pixels = model, pixels
        self._frames_per_forward = max(1, len(pixels) // max(phrases, 1))
        self._most = len(pixels)
        self._first = 0
        self._vision: Any = None
        self._maps: Any = None
        self._detections: dict[int, tuple[int, Sam3ImageSegmentationOutput]] = {}

    @contextmanager
    def replace_outputs(self, row: int) -> Iterator[None]:
        """In the block the model returns the precomputed outputs of frame `row`."""
        model, detector = self._model, self._model.detector_model
        forward = detector.forward
        # the model passes it on to the two below, which know it; only its batch size of one is read
        vision = self._compute_vision(row)

        def detect(**inputs: Any) -> Any:
            return self._detect(forward, row, **inputs)

        detector.get_vision_features = lambda **_: vision
        detector.forward = detect
        model.get_vision_features_for_tracker = lambda **_: self._compute_tracker_maps(row)
        try:
            yield
        finally:
            del detector.get_vision_features, detector.forward, model.get_vision_features_for_tracker

    def features(self, row: int) -> Features:
        """The video tracker's features of a frame."""
        with torch.inference_mode():
            self._compute_vision(row)
            maps, positions = self._compute_tracker_maps(row)
        return {"vision_feats": maps, "vision_pos_embeds": positions}

    def _compute_vision(self, row: int) -> Sam3VisionEncoderOutput:
        if self._vision is None or not self._first <= row < self._first + len(self._vision.last_hidden_state):
            self._vision = self._maps = None
            self._first, self._vision = row, self._embed(row)
        place = row - self._first
        return self._slice_vision(place, place + 1)

    def _embed(self, row: int) -> Sam3VisionEncoderOutput:
        """The frames from `row` on; where they do not fit into memory, the first of them."""
        forward = type(self._model.detector_model).get_vision_features
        while True:
            pixels = torch.cat(list(self._pixels[row : row + self._most]))
            try:
                with torch.inference_mode():
                    return forward(self._model.detector_model, pixel_values=pixels)
            except torch.OutOfMemoryError:
                if len(pixels) == 1:
                    raise
                self._most = max(1, len(pixels) // 2)
                self._frames_per_forward = min(self._frames_per_forward, self._most)
                torch.cuda.empty_cache()

    def _slice_vision(self, start: int, stop: int) -> Sam3VisionEncoderOutput:
        vision = self._vision
        return Sam3VisionEncoderOutput(
            last_hidden_state=vision.last_hidden_state[start:stop],
            fpn_hidden_states=tuple(level[start:stop] for level in vision.fpn_hidden_states),
            fpn_position_encoding=tuple(level[start:stop] for level in vision.fpn_position_encoding),
        )

    def _compute_tracker_maps(self, row: int) -> tuple[list[Any], list[Any]]:
        if self._maps is None:
            # the class's own method: the instance's may be replaced by this one
            self._maps = type(self._model).get_vision_features_for_tracker(self._model, self._vision)
        place = row - self._first
        # a view would keep the maps of all frames alive
        maps, positions = ([m[:, place : place + 1].clone() for m in kind] for kind in self._maps)
        return maps, positions

    def _detect(
        self, forward: Any, row: int, *, text_embeds: Any, attention_mask: Any, **inputs: Any
    ) -> Sam3ImageSegmentationOutput:
        if self._model.searched_boxes is not None:
            # exemplars count on this frame alone
            given = {**inputs, "text_embeds": text_embeds, "attention_mask": attention_mask}
            alone: Sam3ImageSegmentationOutput = forward(
                **{**given, "vision_embeds": self._compute_vision(row)}
            )
            return alone
        key = id(text_embeds)
        start, output = self._detections.get(key, (row, None))
        if output is None or row >= start + len(output.pred_masks):
            self._compute_vision(row)
            start, place = row, row - self._first
            vision = self._slice_vision(place, place + self._frames_per_forward)
            count = len(vision.last_hidden_state)
            own_inputs = {"attention_mask": attention_mask, **inputs, "vision_embeds": None}
            output = forward(
                **{name: _repeat(value, count) for name, value in own_inputs.items() if value is not None},
                vision_embeds=vision,
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=_repeat(text_embeds.pooler_output, count)
                ),
            )
            output = Sam3ImageSegmentationOutput(
                pred_masks=output.pred_masks,
                pred_boxes=output.pred_boxes,
                pred_logits=output.pred_logits,
                presence_logits=output.presence_logits,
            )
            self._detections[key] = start, output
        own = slice(row - start, row - start + 1)
        return Sam3ImageSegmentationOutput(**{name: value[own].clone() for name, value in output.items()})


def _repeat(value: Any, count: int) -> Any:
    """A tensor (1, ...) for `count` frames, without a copy."""
    return value.expand(count, *value.shape[1:])
