"""Tracking the objects of all phrases of a video, by transformers' `Sam3VideoModel`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from workers.engines.concepts.sam3.transformers_backend.deferred_output import FrameObjects
from workers.engines.concepts.sam3.transformers_backend.grounding import Grounding, build_box_inputs
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.concepts.sam3.transformers_backend.pruning import SessionPruner
from workers.engines.concepts.sam3.transformers_backend.sessions import (
    Features,
    PhraseSession,
    session_arguments,
)
from workers.engines.protocols import FrameExemplar, TrackPrompts


@dataclass(frozen=True, slots=True)
class Takeover:
    """An object of a phrase that a visual prompt takes over.

    `prompt` is the phrase's index, `mask` its mask logits (1, h, w), None where it is not in sight.
    """

    prompt: int
    mask: Any | None


class PhraseTracker:
    """Detects, associates and propagates the objects of all phrases, one frame at a time."""

    def __init__(
        self,
        loaded: LoadedModel,
        grounding: Grounding,
        prompts: TrackPrompts,
        size: tuple[int, int],
        pruner: SessionPruner,
    ) -> None:
        self._model, self._prompts, self._pruner = loaded.model, prompts, pruner
        self.session = PhraseSession(**session_arguments(loaded, size))
        self._birth_scores: dict[int, float] = {}
        for index, text in enumerate(prompts.phrases):
            phrase, number = grounding.encode_phrase(text), self.session.add_prompt(text)
            self.session.prompt_embeddings[number] = BaseModelOutputWithPooling(pooler_output=phrase.features)
            self.session.prompt_attention_masks[number] = phrase.attention
            threshold = prompts.threshold(index)
            if threshold is not None:
                # the session holds equal phrases once: the lowest of their thresholds counts
                self._birth_scores[number] = min(threshold, self._birth_scores.get(number, threshold))
        self._shown_boxes = self._collect_boxes(loaded, size)

    @property
    def delay(self) -> int:
        """How many frames a result waits, so that duplicates are known before it is returned."""
        return int(self._model.hotstart_delay)

    def step(self, number: int, pixels: Any, index: int) -> tuple[FrameObjects, Features | None]:
        """Process frame `number` (1, 3, S, S): its objects, and its features for the prompt tracker.

        `index` is the frame's in the video, on which exemplars may lie.
        """
        session = self.session
        session.current = pixels[0]
        with _requests(self._model, self._birth_scores, self._shown_boxes.get(index, {})):
            out = self._model(inference_session=session, frame_idx=number)
        session.current = None
        features = session.cache.get_vision_features(number)
        session.hotstart_removed_obj_ids.update(out.removed_obj_ids)
        return self._collect_objects(out, pixels), features

    def dismiss(self, number: int) -> None:
        """Return an object no longer; it stays tracked, so that its detections start no new one."""
        self.session.dismissed.add(number)

    def hand_over(self, number: int, objects: FrameObjects) -> Takeover | None:
        """Give an object with its mask in `objects` to a visual prompt; None when no phrase tracks it now."""
        if number not in self.session.obj_ids or number in self.session.dismissed:
            return None
        row = objects.ids.index(number) if number in objects.ids else None
        mask = None if row is None else objects.masks[row : row + 1]
        takeover = Takeover(self._phrase_index(number), mask)
        self.dismiss(number)
        return takeover

    def hidden_ids(self) -> set[int]:
        """Ids that have turned out to be duplicates or false."""
        return set(self.session.hotstart_removed_obj_ids)

    def prune(self, number: int, awaited: set[int]) -> None:
        """Drop what no frame after `number` needs; results of `awaited` ids are still due."""
        self._pruner.prune(self.session, number)
        self.session.forget(self._model.config, awaited)

    def _collect_boxes(
        self, loaded: LoadedModel, size: tuple[int, int]
    ) -> dict[int, dict[int, dict[str, Any]]]:
        """The detector's inputs for the exemplars of each frame, by the number of their phrase."""
        numbers = {text: number for number, text in self.session.prompts.items()}
        grouped: dict[tuple[int, int], list[FrameExemplar]] = {}
        for each in self._prompts.exemplars:
            number = numbers[self._prompts.phrases[each.prompt]]
            grouped.setdefault((each.frame, number), []).append(each)
        collected: dict[int, dict[int, dict[str, Any]]] = {}
        for (frame, number), shown in grouped.items():
            boxes, labels = [each.box for each in shown], [each.label for each in shown]
            collected.setdefault(frame, {})[number] = build_box_inputs(loaded, size, boxes, labels)
        return collected

    def _phrase_index(self, number: int) -> int:
        # an object that was removed on this very frame no longer has a prompt, and is never returned
        text = self.session.prompts[self.session.obj_id_to_prompt_id.get(number, 0)]
        return self._prompts.phrases.index(text)

    def _collect_objects(self, out: Any, pixels: Any) -> FrameObjects:
        kept = set(out.obj_id_to_mask) - set(out.suppressed_obj_ids or ()) - self.session.dismissed
        ids = sorted(kept)
        side = self._model.low_res_mask_size
        masks = [out.obj_id_to_mask[number] for number in ids] or [pixels.new_zeros((0, side, side))]
        return FrameObjects(
            ids,
            [self._phrase_index(number) for number in ids],
            [float(out.obj_id_to_score[number]) for number in ids],
            [float(out.obj_id_to_tracker_score.get(number, 0.0)) for number in ids],
            torch.cat(masks),
        )


@contextmanager
def _requests(model: Any, scores: dict[int, float], boxes: dict[int, dict[str, Any]]) -> Iterator[None]:
    """Set a video's thresholds and a frame's exemplars for one forward: one model serves all videos."""
    model.birth_scores, model.shown_boxes = scores, boxes
    try:
        yield
    finally:
        model.birth_scores, model.shown_boxes = {}, {}
