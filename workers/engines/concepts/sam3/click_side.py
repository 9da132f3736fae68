"""What the clicks of a video start, mend and replace, and how it is kept from frame to frame.

transformers' click tracker takes prompts only before a frame is worked on, encodes the memory of all objects
of a frame as clicked when one of them is, and has no way to correct a mask that it tracked. So frames are
propagated by it, and prompts are answered here with its own parts, as Meta's tracker does: a correction reads
the frame and its mask logits, no memory, and the frame becomes a conditioning frame.
"""

from collections.abc import Mapping
from typing import Any

import torch

from workers.engines.concepts.sam3.deferred_output import Shown
from workers.engines.concepts.sam3.kernels import tidy_logits
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.phrase_side import Seed
from workers.engines.concepts.sam3.preprocess import click_points, square_mask
from workers.engines.concepts.sam3.sessions import ClickSession, Features, Pruner, settings_of
from workers.engines.concepts.visual_prompts import parse_prompt
from workers.engines.protocols import TrackPrompts, VisualPrompt

# earlier logits go back into the model within this range, as in Meta's tracker
LOGIT_RANGE = 32.0


class ClickSide:
    """Propagates the objects that were clicked; their ids are those of the prompts."""

    def __init__(
        self, loaded: Loaded, prompts: TrackPrompts, size: tuple[int, int], pruner: Pruner, fill_area: int
    ) -> None:
        self._loaded, self._pruner, self._fill_area = loaded, pruner, fill_area
        self._model = loaded.model.tracker_model
        self._first, self._size = len(prompts.phrases), size
        self.session = ClickSession(**settings_of(loaded, size))

    @property
    def busy(self) -> bool:
        """Whether there is anything to propagate."""
        return bool(self.session.obj_ids)

    def follows(self, number: int) -> bool:
        """Whether this side has that object."""
        return number in self.session.obj_ids

    def step(
        self,
        frame: int,
        features: Features,
        asked: Mapping[int, VisualPrompt],
        seeds: Mapping[int, Seed],
    ) -> Shown:
        """Work on a frame, given as the tracker's features of it, and on its clicks by object id.

        `seeds` are objects of phrases that clicks take over on this frame. Raises ValueError.
        """
        session = self.session
        session.cache.cache_vision_features(frame, features)
        if session.obj_ids:
            self._model(inference_session=session, frame_idx=frame)
        with torch.inference_mode():
            for number, click in asked.items():
                self._answer(frame, number, click, seeds.get(number))
            if asked:
                self._remember(frame, list(asked))
            return self._shown(frame)

    def drop(self, number: int) -> None:
        """Forget an object, if it is followed."""
        self.session.drop(number)

    def tidy(self, frame: int) -> None:
        """Forget what no frame after this one needs."""
        self._pruner.prune(self.session, frame)

    def _answer(self, frame: int, number: int, click: VisualPrompt, seed: Seed | None) -> None:
        started = not self.follows(number)
        index = self.session.obj_id_to_idx(number)
        if seed:
            self.session.handed[number] = seed.prompt
        whole = click.mask is not None or click.box is not None
        mends = not whole and (not started or (seed is not None and seed.mask is not None))
        parsed = parse_prompt(click, self._size, is_correction=mends)
        box = None if click.mask is not None else parsed.box
        loaded = self._loaded
        given: dict[str, Any] = {}
        if len(parsed.points) or box is not None:
            coordinates, marks = click_points(box, parsed.points, parsed.labels, self._size, loaded.side)
            given = {
                "point_coords": coordinates.to(loaded.device),
                "point_labels": marks.to(loaded.device, torch.int32),
            }
        if click.mask is not None:
            mask = (square_mask(click.mask, loaded.side) >= 0.5).to(loaded.device, loaded.dtype)
            self._run(frame, index, mask=mask)
        elif mends and started and seed is not None and seed.mask is not None:
            self._run(frame, index, mask=(seed.mask[None] > 0).to(loaded.dtype))
        elif not mends:
            self._run(frame, index, points=given)
            return
        if given:
            self._run(frame, index, points=given, mend=True)

    def _run(
        self, frame: int, index: int, *, points: Any = None, mask: Any = None, mend: bool = False
    ) -> None:
        """One object's mask on a frame from a prompt, without memory; `mend` reads its present logits."""
        outputs = self.session.output_dict_per_obj[index]
        had = outputs["non_cond_frame_outputs"].pop(frame, None)
        had = outputs["cond_frame_outputs"].pop(frame, had)
        out = self._model._run_single_frame_inference(
            inference_session=self.session,
            frame_idx=frame,
            obj_idx=index,
            batch_size=1,
            is_init_cond_frame=True,
            point_inputs=points,
            mask_inputs=mask,
            reverse=False,
            prev_sam_mask_logits=had["pred_masks"].clamp(-LOGIT_RANGE, LOGIT_RANGE) if mend else None,
        )
        self.session.store_output(index, frame, output_value=out, is_conditioning_frame=True)

    def _remember(self, frame: int, numbers: list[int]) -> None:
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

    def _shown(self, frame: int) -> Shown:
        session, ids = self.session, list(self.session.obj_ids)
        outs = []
        for index in range(len(ids)):
            kinds = session.output_dict_per_obj[index]
            outs.append(kinds["cond_frame_outputs"].get(frame) or kinds["non_cond_frame_outputs"][frame])
        side = self._model.prompt_encoder.mask_input_size[0]
        masks = [out["pred_masks"][:, 0].float() for out in outs]
        rows = torch.cat(masks) if masks else torch.zeros((0, side, side), device=self._loaded.device)
        scores = [float(out["object_score_logits"].float().sigmoid().flatten()[0]) for out in outs]
        prompts = [session.handed.get(number, self._first + number - 1) for number in ids]
        return Shown(ids, prompts, scores, scores, tidy_logits(rows, self._fill_area))
