"""Frames of a video that go through backbone, neck and detector together.

What these say of a frame depends on no other frame; association, propagation and memory do, and stay frame by
frame. transformers works on one frame a call and has no door for what is known already, so for the length of
a call its three methods are answered from here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3ImageSegmentationOutput, Sam3VisionEncoderOutput

from workers.engines.concepts.sam3.sessions import Features


class FrameBatch:
    """Frames (1, 3, S, S) in order; nothing is computed before it is asked for.

    The backbone takes all frames from the first one asked for on in one forward. The detector takes frames x
    phrases of at most as many as there are frames, or one frame, so that many phrases cost no more memory.
    """

    def __init__(self, model: Any, pixels: Sequence[Any], phrases: int) -> None:
        self._model, self._pixels = model, pixels
        self._together = max(1, len(pixels) // max(phrases, 1))
        self._first = 0
        self._vision: Any = None
        self._maps: Any = None
        self._found: dict[int, tuple[int, Sam3ImageSegmentationOutput]] = {}

    @contextmanager
    def answering(self, row: int) -> Iterator[None]:
        """In the block the model is told what it would compute of frame `row`."""
        model, detector = self._model, self._model.detector_model
        forward = detector.forward
        # the model hands it on to the two below, which know it; only its batch of one is ever read
        vision = self._row(row)

        def detect(**asked: Any) -> Any:
            return self._detect(forward, row, **asked)

        detector.get_vision_features = lambda **_: vision
        detector.forward = detect
        model.get_vision_features_for_tracker = lambda **_: self._tracker(row)
        try:
            yield
        finally:
            del detector.get_vision_features, detector.forward, model.get_vision_features_for_tracker

    def features(self, row: int) -> Features:
        """The tracker's features of a frame."""
        with torch.inference_mode():
            self._row(row)
            maps, positions = self._tracker(row)
        return {"vision_feats": maps, "vision_pos_embeds": positions}

    def _row(self, row: int) -> Sam3VisionEncoderOutput:
        if self._vision is None:
            self._first = row
            with torch.inference_mode():
                pixels = torch.cat(list(self._pixels[row:]))
                self._vision = self._model.detector_model.get_vision_features(pixel_values=pixels)
        place = row - self._first
        return self._part(place, place + 1)

    def _part(self, start: int, stop: int) -> Sam3VisionEncoderOutput:
        seen = self._vision
        return Sam3VisionEncoderOutput(
            last_hidden_state=seen.last_hidden_state[start:stop],
            fpn_hidden_states=tuple(level[start:stop] for level in seen.fpn_hidden_states),
            fpn_position_encoding=tuple(level[start:stop] for level in seen.fpn_position_encoding),
        )

    def _tracker(self, row: int) -> tuple[list[Any], list[Any]]:
        if self._maps is None:
            # the class's own: the instance's may be this one
            self._maps = type(self._model).get_vision_features_for_tracker(self._model, self._vision)
        place = row - self._first
        # a view would keep the maps of all frames alive
        maps, positions = ([m[:, place : place + 1].clone() for m in kind] for kind in self._maps)
        return maps, positions

    def _detect(
        self, forward: Any, row: int, *, text_embeds: Any, attention_mask: Any, **asked: Any
    ) -> Sam3ImageSegmentationOutput:
        key = id(text_embeds)
        start, found = self._found.get(key, (row, None))
        if found is None or row >= start + len(found.pred_masks):
            start, place = row, row - self._first
            vision = self._part(place, place + self._together)
            count = len(vision.last_hidden_state)
            given = {"attention_mask": attention_mask, **asked, "vision_embeds": None}
            found = forward(
                **{name: _repeated(value, count) for name, value in given.items() if value is not None},
                vision_embeds=vision,
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=_repeated(text_embeds.pooler_output, count)
                ),
            )
            found = Sam3ImageSegmentationOutput(
                pred_masks=found.pred_masks,
                pred_boxes=found.pred_boxes,
                pred_logits=found.pred_logits,
                presence_logits=found.presence_logits,
            )
            self._found[key] = start, found
        own = slice(row - start, row - start + 1)
        return Sam3ImageSegmentationOutput(**{name: value[own].clone() for name, value in found.items()})


def _repeated(value: Any, count: int) -> Any:
    """A tensor (1, ...) for `count` frames, without a copy."""
    return value.expand(count, *value.shape[1:])
