"""What the phrases of a video find, and how it is kept from frame to frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from workers.engines.concepts.sam3.deferred_output import Shown
from workers.engines.concepts.sam3.image import Grounding
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.sessions import Features, PhraseSession, Pruner, settings_of
from workers.engines.protocols import TrackPrompts


@dataclass(frozen=True, slots=True)
class Seed:
    """An object of a phrase that a click takes over: the phrase's index, mask logits (1, h, w) if seen."""

    prompt: int
    mask: Any | None


class PhraseSide:
    """Detects, associates and propagates the objects of all phrases, one frame at a time."""

    def __init__(
        self,
        loaded: Loaded,
        grounding: Grounding,
        prompts: TrackPrompts,
        size: tuple[int, int],
        pruner: Pruner,
    ) -> None:
        self._model, self._prompts, self._pruner = loaded.model, prompts, pruner
        self.session = PhraseSession(**settings_of(loaded, size))
        self._births: dict[int, float] = {}
        for index, text in enumerate(prompts.phrases):
            phrase, number = grounding.phrase(text), self.session.add_prompt(text)
            self.session.prompt_embeddings[number] = BaseModelOutputWithPooling(pooler_output=phrase.features)
            self.session.prompt_attention_masks[number] = phrase.attention
            least = prompts.threshold(index)
            if least is not None:
                # the session knows equal phrases once: the lowest of their thresholds holds
                self._births[number] = min(least, self._births.get(number, least))

    @property
    def delay(self) -> int:
        """How many frames a result waits, so that duplicates are known before they are shown."""
        return int(self._model.hotstart_delay)

    def step(self, number: int, pixels: Any) -> tuple[Shown, Features | None]:
        """Work on frame `number` (1, 3, S, S); its objects, and its features for the clicks' side."""
        session = self.session
        session.current = pixels[0]
        with _births(self._model, self._births):
            out = self._model(inference_session=session, frame_idx=number)
        session.current = None
        features = session.cache.get_vision_features(number)
        session.hotstart_removed_obj_ids.update(out.removed_obj_ids)
        return self._shown(out, pixels), features

    def give_up(self, number: int) -> None:
        """Show an object no longer; it stays in the books, so that its detections start no new one."""
        self.session.dismissed.add(number)

    def hand_over(self, number: int, shown: Shown) -> Seed | None:
        """Give an object to the clicks, as `shown` has it; None when no phrase follows it now."""
        if number not in self.session.obj_ids or number in self.session.dismissed:
            return None
        row = shown.ids.index(number) if number in shown.ids else None
        seed = Seed(self._prompt_of(number), None if row is None else shown.masks[row : row + 1])
        self.give_up(number)
        return seed

    def hidden(self) -> set[int]:
        """Ids that have turned out to be duplicates or false."""
        return set(self.session.hotstart_removed_obj_ids)

    def tidy(self, number: int, awaited: set[int]) -> None:
        """Forget what no frame after `number` needs, once its results that are due have been shown."""
        self._pruner.prune(self.session, number)
        self.session.forget(self._model.config, awaited)

    def _prompt_of(self, number: int) -> int:
        # an object that was removed on this very frame no longer has a prompt, and is never shown
        text = self.session.prompts[self.session.obj_id_to_prompt_id.get(number, 0)]
        return self._prompts.phrases.index(text)

    def _shown(self, out: Any, pixels: Any) -> Shown:
        kept = set(out.obj_id_to_mask) - set(out.suppressed_obj_ids or ()) - self.session.dismissed
        ids = sorted(kept)
        side = self._model.low_res_mask_size
        masks = [out.obj_id_to_mask[number] for number in ids] or [pixels.new_zeros((0, side, side))]
        return Shown(
            ids,
            [self._prompt_of(number) for number in ids],
            [float(out.obj_id_to_score[number]) for number in ids],
            [float(out.obj_id_to_tracker_score.get(number, 0.0)) for number in ids],
            torch.cat(masks),
        )


@contextmanager
def _births(model: Any, births: dict[int, float]) -> Iterator[None]:
    """One model serves all videos: the thresholds of one must not stay behind."""
    model.births = births
    try:
        yield
    finally:
        model.births = {}
