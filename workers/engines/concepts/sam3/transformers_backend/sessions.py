"""Video sessions of transformers whose frames come one at a time, for video of any length."""

from typing import Any

import torch
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoInferenceSession,
)
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel

# the video tracker's features of one frame, as transformers' cache holds them
Features = dict[str, Any]

# the model asks only whether a frame before this one exists, and limits itself by its own settings
ENDLESS = 2**31
# attributes that are the state between two frames: of either session, and of the one with phrases
_OUTPUTS = (
    "_obj_id_to_idx",
    "_obj_idx_to_id",
    "obj_ids",
    "obj_with_new_inputs",
    "output_dict_per_obj",
    "frames_tracked_per_obj",
    "mask_inputs_per_obj",
    "point_inputs_per_obj",
)
_ASSOCIATION = (
    "obj_id_to_prompt_id",
    "obj_id_to_score",
    "obj_id_to_tracker_score_frame_wise",
    "obj_id_to_last_occluded",
    "max_obj_id",
    "obj_first_frame_idx",
    "unmatched_frame_inds",
    "overlap_pair_to_frame_inds",
    "trk_keep_alive",
    "removed_obj_ids",
    "suppressed_obj_ids",
    "hotstart_removed_obj_ids",
)


class PhraseSession(Sam3VideoInferenceSession):  # type: ignore[misc]
    """A session of `Sam3VideoModel` that holds one frame; set `current` (3, S, S) before each forward.

    `dismissed` are the ids that are no longer shown; they stay tracked, so that their detections start no new
    object.
    """

    saved = (*_OUTPUTS, *_ASSOCIATION, "dismissed")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.current: Any = None
        self.obj_with_new_inputs: list[int] = []
        self.dismissed: set[int] = set()

    @property
    def num_frames(self) -> int:
        """As if the video never ended."""
        return ENDLESS

    def get_frame(self, frame_idx: int) -> Any:
        """The current frame (3, S, S)."""
        return self.current

    def forget(self, config: Any, awaited: set[int]) -> None:
        """Drop association state that no later frame reads; results of `awaited` ids are still due."""
        self.obj_id_to_tracker_score_frame_wise.clear()
        self.suppressed_obj_ids.clear()
        removed = set(self.removed_obj_ids)
        for by_id in (
            self.unmatched_frame_inds,
            self.trk_keep_alive,
            self.obj_first_frame_idx,
            self.obj_id_to_score,
        ):
            for number in removed & by_id.keys():
                del by_id[number]
        for pair in [pair for pair in self.overlap_pair_to_frame_inds if removed.intersection(pair)]:
            del self.overlap_pair_to_frame_inds[pair]
        # of these lists only whether they have reached their threshold is ever read
        for frames in self.unmatched_frame_inds.values():
            del frames[config.hotstart_unmatch_thresh :]
        for frames in self.overlap_pair_to_frame_inds.values():
            del frames[config.hotstart_dup_thresh :]
        self.removed_obj_ids &= awaited
        self.hotstart_removed_obj_ids &= awaited


class PromptSession(Sam3TrackerVideoInferenceSession):  # type: ignore[misc]
    """A session of `Sam3TrackerVideoModel` whose frames come as features in its cache.

    `handed` maps the id of an object that was taken over from a phrase to the index of that phrase.
    """

    saved = (*_OUTPUTS, "handed")
    obj_ids: list[int]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.handed: dict[int, int] = {}

    @property
    def num_frames(self) -> int:
        """As if the video never ended."""
        return ENDLESS

    def drop(self, number: int) -> None:
        """Remove an object; the model counts the others without a gap, so their indices move up."""
        if number not in self.obj_ids:
            return
        index = self._obj_id_to_idx[number]
        self.handed.pop(number, None)
        for by_index in (
            self.output_dict_per_obj,
            self.frames_tracked_per_obj,
            self.mask_inputs_per_obj,
            self.point_inputs_per_obj,
        ):
            remaining = [value for key, value in sorted(by_index.items()) if key != index]
            by_index.clear()
            by_index.update(enumerate(remaining))
        self.obj_ids = [each for each in self.obj_ids if each != number]
        for mapping, pairs in (
            (self._obj_id_to_idx, ((each, row) for row, each in enumerate(self.obj_ids))),
            (self._obj_idx_to_id, enumerate(self.obj_ids)),
        ):
            mapping.clear()
            mapping.update(pairs)


def session_arguments(loaded: LoadedModel, size: tuple[int, int]) -> dict[str, Any]:
    """The arguments of a session for a video of (height, width)."""
    device = loaded.device
    return {
        "video_height": size[0],
        "video_width": size[1],
        "inference_device": device,
        "inference_state_device": device,
        "video_storage_device": device,
        "dtype": loaded.dtype,
    }


def compute_features(model: Any, pixels: Any) -> Features:
    """The video tracker's features of a frame (1, 3, S, S)."""
    with torch.inference_mode():
        maps, positions = model.get_vision_features_for_tracker(
            model.detector_model.get_vision_features(pixel_values=pixels)
        )
    return {"vision_feats": maps, "vision_pos_embeds": positions}


def save_session(session: Any) -> dict[str, Any]:
    """The session's state between two frames, by attribute."""
    return {name: getattr(session, name) for name in session.saved}


def restore_session(session: Any, state: dict[str, Any]) -> None:
    """Put the state of `save_session` into a new session; the types of its dictionaries stay."""
    for name in session.saved:
        held = getattr(session, name)
        if isinstance(held, dict):
            held.clear()
            held.update(state[name])
        else:
            setattr(session, name, state[name])
