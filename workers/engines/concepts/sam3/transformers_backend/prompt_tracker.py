"""Tracking the objects of visual prompts: what prompts start, correct and replace, and its propagation.

transformers' `Sam3TrackerVideoModel` takes prompts only before a frame is processed, encodes the memory of
all objects of a frame as prompted when one of them is, and cannot correct a mask that it tracked. So frames
are propagated by it, and prompts are answered here with its own parts, as Meta's tracker does: a correction
reads the frame and its mask logits, no memory, and the frame becomes a conditioning frame.
"""

from collections.abc import Mapping
from typing import Any

import torch

from workers.engines.concepts.sam3.kernels import remove_small_areas
from workers.engines.concepts.sam3.preprocess import to_point_tokens, to_square_mask
from workers.engines.concepts.sam3.transformers_backend.deferred_output import FrameObjects
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.concepts.sam3.transformers_backend.phrase_tracker import Takeover
from workers.engines.concepts.sam3.transformers_backend.pruning import SessionPruner
from workers.engines.concepts.sam3.transformers_backend.sessions import (
    Features,
    PromptSession,
    session_arguments,
)
from workers.engines.concepts.visual_prompts import ParsedPrompt, parse_prompt
from workers.engines.protocols import TrackPrompts, VisualPrompt

# earlier logits go back into the model within this range, as in Meta's tracker
LOGIT_RANGE = 32.0


class PromptTracker:
    """Tracks the objects of visual prompts; their ids are those of the prompts."""

    def __init__(
        self,
        loaded: LoadedModel,
        prompts: TrackPrompts,
        size: tuple[int, int],
        pruner: SessionPruner,
        fill_area: int,
    ) -> None:
        self._loaded, self._pruner, self._fill_area = loaded, pruner, fill_area
        self._model = loaded.model.tracker_model
        self._phrase_count, self._size = len(prompts.phrases), size
        self.session = PromptSession(**session_arguments(loaded, size))

    @property
    def has_objects(self) -> bool:
        """Whether there is anything to propagate."""
        return bool(self.session.obj_ids)

    def is_tracking(self, number: int) -> bool:
        """Whether this tracker has that object."""
        return number in self.session.obj_ids

    def step(
        self,
        frame: int,
        features: Features,
        prompts: Mapping[int, VisualPrompt],
        takeovers: Mapping[int, Takeover],
    ) -> FrameObjects:
        """Process a frame, given as the tracker's features of it, and its prompts by object id.

        `takeovers` are objects of phrases that prompts take over on this frame. Raises ValueError.
        """
        session = self.session
        session.cache.cache_vision_features(frame, features)
        if session.obj_ids:
            self._model(inference_session=session, frame_idx=frame)
        with torch.inference_mode():
            for number, prompt in prompts.items():
                self._apply_prompt(frame, number, prompt, takeovers.get(number))
            if prompts:
                self._encode_memories(frame, list(prompts))
            return self._collect_objects(frame)

    def drop(self, number: int) -> None:
        """Remove an object, if it is tracked."""
        self.session.drop(number)

    def prune(self, frame: int) -> None:
        """Drop what no frame after this one needs."""
        self._pruner.prune(self.session, frame)

    def _apply_prompt(self, frame: int, number: int, prompt: VisualPrompt, takeover: Takeover | None) -> None:
        """Start, replace or correct the mask of an object on a frame."""
        is_new = not self.is_tracking(number)
        index = self.session.obj_id_to_idx(number)
        if takeover:
            self.session.handed[number] = takeover.prompt
        known = takeover.mask if takeover else None
        has_region = prompt.mask is not None or prompt.box is not None
        is_correction = not has_region and (not is_new or known is not None)
        parsed = parse_prompt(prompt, self._size, is_correction=is_correction)
        points = self._point_inputs(parsed)
        if parsed.mask is not None:
            mask = to_square_mask(parsed.mask, self._loaded.side) >= 0.5
            self._decode(frame, index, mask=mask.to(self._loaded.device, self._loaded.dtype))
        elif is_correction and is_new and known is not None:
            self._decode(frame, index, mask=(known[None] > 0).to(self._loaded.dtype))
        elif not is_correction:
            self._decode(frame, index, points=points)
            return
        if points:
            self._decode(frame, index, points=points, correct=True)

    def _point_inputs(self, prompt: ParsedPrompt) -> dict[str, Any]:
        """The prompt's points, and its box unless a mask stands for it; empty without either."""
        box = None if prompt.mask is not None else prompt.box
        if not len(prompt.points) and box is None:
            return {}
        loaded = self._loaded
        coordinates, labels = to_point_tokens(box, prompt.points, prompt.labels, self._size, loaded.side)
        return {
            "point_coords": coordinates.to(loaded.device),
            "point_labels": labels.to(loaded.device, torch.int32),
        }

    def _decode(
        self, frame: int, index: int, *, points: Any = None, mask: Any = None, correct: bool = False
    ) -> None:
        """One object's mask on a frame from a prompt, without memory; `correct` reads its present logits."""
        outputs = self.session.output_dict_per_obj[index]
        previous = outputs["non_cond_frame_outputs"].pop(frame, None)
        previous = outputs["cond_frame_outputs"].pop(frame, previous)
        out = self._model._run_single_frame_inference(
            inference_session=self.session,
            frame_idx=frame,
            obj_idx=index,
            batch_size=1,
            is_init_cond_frame=True,
            point_inputs=points,
            mask_inputs=mask,
            reverse=False,
            prev_sam_mask_logits=previous["pred_masks"].clamp(-LOGIT_RANGE, LOGIT_RANGE) if correct else None,
        )
        self.session.store_output(index, frame, output_value=out, is_conditioning_frame=True)

    def _encode_memories(self, frame: int, numbers: list[int]) -> None:
        """Encode the memory of the objects that were prompted on a frame, and of no others."""
        indices = [self.session.obj_id_to_idx(number) for number in numbers]
        outs = [self.session.output_dict_per_obj[index]["cond_frame_outputs"][frame] for index in indices]
        self._model._batch_encode_memories(
            inference_session=self.session,
            frame_idx=frame,
            objects_needing_memory_encoding=indices,
            high_res_masks_for_memory=[out["high_res_masks"] for out in outs],
            object_score_logits_for_memory=[out["object_score_logits"] for out in outs],
            is_mask_from_pts_per_obj=[True] * len(indices),
        )

    def _collect_objects(self, frame: int) -> FrameObjects:
        session, ids = self.session, list(self.session.obj_ids)
        outs = []
        for index in range(len(ids)):
            kinds = session.output_dict_per_obj[index]
            outs.append(kinds["cond_frame_outputs"].get(frame) or kinds["non_cond_frame_outputs"][frame])
        side = self._model.prompt_encoder.mask_input_size[0]
        masks = [out["pred_masks"][:, 0].float() for out in outs]
        rows = torch.cat(masks) if masks else torch.zeros((0, side, side), device=self._loaded.device)
        scores = [float(out["object_score_logits"].float().sigmoid().flatten()[0]) for out in outs]
        prompts = [session.handed.get(number, self._phrase_count + number - 1) for number in ids]
        return FrameObjects(ids, prompts, scores, scores, remove_small_areas(rows, self._fill_area))
