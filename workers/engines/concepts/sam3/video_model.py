"""transformers' `Sam3VideoModel` with two repairs that any user of its outputs needs."""

from typing import Any

import torch
from transformers import Sam3VideoModel

PADDING = -10


class AlignedSam3Video(Sam3VideoModel):  # type: ignore[misc]
    """The same weights and arithmetic; masks keep their objects on a frame that removes one.

    transformers pairs the frame's propagated masks with the ids that are left *after* duplicates were
    removed, so on that frame every later object shows its neighbour's mask and score. The masks belong to the
    ids from before.
    """

    def run_tracker_propagation(self, inference_session: Any, frame_idx: int, reverse: bool) -> Any:
        """Propagate one frame; remembers which ids the rows of the result belong to."""
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
