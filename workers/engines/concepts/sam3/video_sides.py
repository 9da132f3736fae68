"""The two sides of a video: what phrases find and keep, and what clicks of the first frame became."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from workers.engines.concepts.sam3.clicks import checked
from workers.engines.concepts.sam3.image import Grounding
from workers.engines.concepts.sam3.kernels import tidy_logits
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.pending import Shown
from workers.engines.concepts.sam3.preprocess import click_points, square_mask
from workers.engines.concepts.sam3.sessions import ClickSession, PhraseSession, Pruner
from workers.engines.protocols import Click, TrackPrompts

Features = dict[str, Any]


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
        self.session = PhraseSession(**_session_settings(loaded, size))
        for text in prompts.phrases:
            phrase, number = grounding.phrase(text), self.session.add_prompt(text)
            self.session.prompt_embeddings[number] = BaseModelOutputWithPooling(pooler_output=phrase.features)
            self.session.prompt_attention_masks[number] = phrase.attention

    @property
    def delay(self) -> int:
        """How many frames a result waits, so that duplicates are known before they are shown."""
        return int(self._model.hotstart_delay)

    def step(self, number: int, pixels: Any) -> tuple[Shown, Features | None]:
        """Work on frame `number` (1, 3, S, S); its objects, and its features for the clicks' side."""
        session = self.session
        session.current = pixels[0]
        with _thresholds(self._model, self._prompts.threshold):
            out = self._model(inference_session=session, frame_idx=number)
        session.current = None
        features = session.cache.get_vision_features(number)
        session.hotstart_removed_obj_ids.update(out.removed_obj_ids)
        return self._shown(out, pixels), features

    def hidden(self) -> set[int]:
        """Ids that have turned out to be duplicates or false."""
        return set(self.session.hotstart_removed_obj_ids)

    def tidy(self, number: int, awaited: set[int]) -> None:
        """Forget what no frame after `number` needs, once its results that are due have been shown."""
        self._pruner.prune(self.session, number)
        self.session.forget(self._model.config, awaited)

    def _shown(self, out: Any, pixels: Any) -> Shown:
        # on a frame without tracks the model starts one from any detection, whatever the threshold
        least = -float("inf") if self._prompts.threshold is None else self._prompts.threshold
        kept = set(out.obj_id_to_mask) - set(out.suppressed_obj_ids or ())
        ids = sorted(number for number in kept if out.obj_id_to_score[number] >= least)
        side = self._model.low_res_mask_size
        masks = [out.obj_id_to_mask[number] for number in ids] or [pixels.new_zeros((0, side, side))]
        # an object that was removed on this very frame no longer has a prompt, and is never shown
        texts = [self.session.obj_id_to_prompt_id.get(number, 0) for number in ids]
        return Shown(
            ids,
            [self._prompts.phrases.index(self.session.prompts[text]) for text in texts],
            [float(out.obj_id_to_score[number]) for number in ids],
            [float(out.obj_id_to_tracker_score.get(number, 0.0)) for number in ids],
            torch.cat(masks),
        )


class ClickSide:
    """Propagates the objects that were clicked on the first frame."""

    def __init__(
        self, loaded: Loaded, prompts: TrackPrompts, size: tuple[int, int], pruner: Pruner, fill_area: int
    ) -> None:
        self._loaded, self._pruner, self._fill_area = loaded, pruner, fill_area
        self._first, self._size = len(prompts.phrases), size
        self.session = ClickSession(**_session_settings(loaded, size))

    def begin(self, clicks: Sequence[Click]) -> None:
        """Name the objects on frame 0. A click has points and a box, or a mask alone; raises ValueError."""
        loaded = self._loaded
        for number, click in enumerate(clicks):
            box, points, labels = checked(click, self._size)
            index = self.session.obj_id_to_idx(number)
            if click.mask is not None:
                mask = (square_mask(click.mask, loaded.side) >= 0.5).float()
                self.session.add_mask_inputs(index, 0, mask)
            else:
                coordinates, marks = click_points(box, points, labels, self._size, loaded.side)
                inputs = {"point_coords": coordinates, "point_labels": marks.to(torch.int32)}
                self.session.add_point_inputs(index, 0, inputs)
        self.session.obj_with_new_inputs = list(range(len(clicks)))

    def step(self, number: int, features: Features) -> Shown:
        """Work on frame `number`, given as the tracker's features of it."""
        self.session.cache.cache_vision_features(number, features)
        out = self._loaded.model.tracker_model(inference_session=self.session, frame_idx=number)
        with torch.inference_mode():
            masks = tidy_logits(out.pred_masks[:, 0].float(), self._fill_area)
            scores = out.object_score_logits.float().sigmoid().flatten().tolist()
        ids = list(self.session.obj_ids)
        return Shown(ids, [self._first + number for number in ids], scores, scores, masks)

    def tidy(self, number: int) -> None:
        """Forget what no frame after `number` needs."""
        self._pruner.prune(self.session, number)


def features_of(model: Any, pixels: Any) -> Features:
    """The tracker's features of a frame (1, 3, S, S), where no phrase has made them."""
    with torch.inference_mode():
        maps, positions = model.get_vision_features_for_tracker(
            model.detector_model.get_vision_features(pixel_values=pixels)
        )
    return {"vision_feats": maps, "vision_pos_embeds": positions}


def _session_settings(loaded: Loaded, size: tuple[int, int]) -> dict[str, Any]:
    device = loaded.device
    return {
        "video_height": size[0],
        "video_width": size[1],
        "inference_device": device,
        "inference_state_device": device,
        "video_storage_device": device,
        "dtype": loaded.dtype,
    }


@contextmanager
def _thresholds(model: Any, threshold: float | None) -> Iterator[None]:
    """A track starts at `threshold`, and is confirmed by detections from the model's own threshold on."""
    if threshold is None:
        yield
        return
    before = model.score_threshold_detection, model.new_det_thresh
    model.score_threshold_detection, model.new_det_thresh = min(before[0], threshold), threshold
    try:
        yield
    finally:
        model.score_threshold_detection, model.new_det_thresh = before
