"""transformers' `Sam3VideoModel` with repairs that any user of its outputs needs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import Sam3VideoModel

PADDING = -10


class AlignedSam3Video(Sam3VideoModel):  # type: ignore[misc]
    """The same weights and arithmetic; masks stay with their objects on a frame that removes one.

    transformers pairs the frame's propagated masks with the ids that are left *after* duplicates were
    removed, so on that frame every later object gets its neighbour's mask and score. The masks belong to the
    ids from before.

    `birth_scores` maps a prompt's number in the session to the score from which it starts tracks; a prompt
    without an entry has the model's own thresholds. `shown_boxes` are set for one forward alone.
    """

    birth_scores: Mapping[int, float] = {}
    # the detector's inputs for exemplar boxes on the current frame, by prompt; and of the prompt now searched
    shown_boxes: Mapping[int, Mapping[str, Any]] = {}
    searched_boxes: Mapping[str, Any] | None = None
    score_threshold_detection: float
    new_det_thresh: Any

    def run_detection(self, inference_session: Any, vision_embeds: Any) -> Any:
        """Detect for every prompt, each at the lower of the model's threshold and its own, with its boxes."""
        if not self.birth_scores and not self.shown_boxes:
            return super().run_detection(inference_session, vision_embeds)
        prompts, default = inference_session.prompts, self.score_threshold_detection
        detections: dict[int, Any] = {}
        try:
            for number, text in prompts.items():
                inference_session.prompts = {number: text}
                self.score_threshold_detection = min(default, self.birth_scores.get(number, default))
                with self._show_boxes(number):
                    detections.update(super().run_detection(inference_session, vision_embeds))
        finally:
            inference_session.prompts, self.score_threshold_detection = prompts, default
        return detections

    @contextmanager
    def _show_boxes(self, number: int) -> Iterator[None]:
        """In the block the detector is given the boxes of a prompt, if it has any on this frame."""
        boxes = self.shown_boxes.get(number)
        if boxes is None:
            yield
            return
        # first of all hooks: a call with boxes is not padded
        hook = self.detector_model.register_forward_pre_hook(
            lambda _module, args, kwargs: (args, {**kwargs, **boxes}), with_kwargs=True, prepend=True
        )
        self.searched_boxes = boxes
        try:
            yield
        finally:
            self.searched_boxes = None
            hook.remove()

    def _associate_det_trk(self, **inputs: Any) -> Any:
        """Match detections to tracks; a track starts from its own prompt's threshold on."""
        if not self.birth_scores:
            return super()._associate_det_trk(**inputs)
        default, scores = self.new_det_thresh, inputs["det_scores"]
        prompts = inputs["det_prompt_ids"].tolist()
        own = [self.birth_scores.get(number, default) for number in prompts]
        try:
            self.new_det_thresh = torch.tensor(own, dtype=scores.dtype, device=scores.device)
            started, *rest = super()._associate_det_trk(**inputs)
        finally:
            self.new_det_thresh = default
        # without tracks on the frame the model starts one from any detection, whatever the threshold
        started = [
            row for row in started if prompts[row] not in self.birth_scores or float(scores[row]) >= own[row]
        ]
        return (started, *rest)

    def run_tracker_propagation(self, inference_session: Any, frame_idx: int, reverse: bool) -> Any:
        """Propagate one frame; keeps the ids to which the rows of the result belong."""
        inference_session.propagated_ids = list(inference_session.obj_ids)
        return super().run_tracker_propagation(inference_session, frame_idx, reverse)

    def build_outputs(self, inference_session: Any, *args: Any, **kwargs: Any) -> Any:
        """The frame's masks by id, paired with the ids that were propagated."""
        # the caller also pairs the tracker's scores with obj_ids, then replaces obj_ids by the new list
        inference_session.obj_ids = inference_session.propagated_ids
        return super().build_outputs(inference_session, *args, **kwargs)


def pad_geometry(model: Any) -> Any:
    """Give every call without boxes one padded box, as Meta's own code does; returns the hook's handle.

    With it the geometry encoder contributes its CLS token; without it transformers leaves the geometry out.
    """

    def hook(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if kwargs.get("input_boxes") is None:
            like = kwargs["vision_embeds"].fpn_hidden_states[0]
            count = like.shape[0]
            kwargs = {
                **kwargs,
                "input_boxes": torch.full(
                    (count, 1, 4), float(PADDING), dtype=like.dtype, device=like.device
                ),
                "input_boxes_labels": torch.full((count, 1), PADDING, dtype=torch.long, device=like.device),
            }
        return args, kwargs

    return model.detector_model.register_forward_pre_hook(hook, with_kwargs=True)
