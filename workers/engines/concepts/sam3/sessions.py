"""Video sessions of transformers that keep only what later frames can read, for video of any length.

transformers keeps every frame and every output. What a later frame reads of the past is in
`Sam3TrackerVideoModel._gather_memory_frame_outputs` and `_get_object_pointers`: the features of the last
`num_maskmem - 1` frames and of the `max_cond_frame_num` nearest conditioning frames, the pointers of the last
`max_object_pointers_in_encoder - 1` frames and of every conditioning frame.
"""

from typing import Any

import torch
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoInferenceSession,
)
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from workers.engines.concepts.sam3.loading import Loaded

Features = dict[str, Any]

# the model asks only whether a frame before this one exists, and limits itself by its own settings
ENDLESS = 2**31
_READ_ONLY_NOW = ("high_res_masks", "pred_masks", "object_score_logits")
_FEATURES = ("maskmem_features", "maskmem_pos_enc")
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
_FUSION = (
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
    """A session of `Sam3VideoModel` that sees one frame at a time; set `current` before each forward."""

    saved = (*_OUTPUTS, *_FUSION, "dismissed")

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
        """The frame that is being worked on (3, S, S)."""
        return self.current

    def forget(self, config: Any, awaited: set[int]) -> None:
        """Drop what no later frame reads of the fusion's books; `awaited` ids are yet to be shown."""
        self.obj_id_to_tracker_score_frame_wise.clear()
        self.suppressed_obj_ids.clear()
        removed = set(self.removed_obj_ids)
        for book in (
            self.unmatched_frame_inds,
            self.trk_keep_alive,
            self.obj_first_frame_idx,
            self.obj_id_to_score,
        ):
            for number in removed & book.keys():
                del book[number]
        for pair in [pair for pair in self.overlap_pair_to_frame_inds if removed.intersection(pair)]:
            del self.overlap_pair_to_frame_inds[pair]
        # only whether these lists have reached their threshold is ever asked
        for frames in self.unmatched_frame_inds.values():
            del frames[config.hotstart_unmatch_thresh :]
        for frames in self.overlap_pair_to_frame_inds.values():
            del frames[config.hotstart_dup_thresh :]
        self.removed_obj_ids &= awaited
        self.hotstart_removed_obj_ids &= awaited


class ClickSession(Sam3TrackerVideoInferenceSession):  # type: ignore[misc]
    """A session of `Sam3TrackerVideoModel` whose frames come as features in its cache.

    `handed` maps the id of an object that a phrase found to the index of that phrase.
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
        """Forget an object; the model counts the others without a gap, so they move up."""
        if number not in self.obj_ids:
            return
        index = self._obj_id_to_idx[number]
        self.handed.pop(number, None)
        for book in (
            self.output_dict_per_obj,
            self.frames_tracked_per_obj,
            self.mask_inputs_per_obj,
            self.point_inputs_per_obj,
        ):
            held = [value for key, value in sorted(book.items()) if key != index]
            book.clear()
            book.update(enumerate(held))
        self.obj_ids = [each for each in self.obj_ids if each != number]
        for mapping, pairs in (
            (self._obj_id_to_idx, ((each, row) for row, each in enumerate(self.obj_ids))),
            (self._obj_idx_to_id, enumerate(self.obj_ids)),
        ):
            mapping.clear()
            mapping.update(pairs)


def settings_of(loaded: Loaded, size: tuple[int, int]) -> dict[str, Any]:
    """What a session of a video of that (height, width) is made with."""
    device = loaded.device
    return {
        "video_height": size[0],
        "video_width": size[1],
        "inference_device": device,
        "inference_state_device": device,
        "video_storage_device": device,
        "dtype": loaded.dtype,
    }


def features_of(model: Any, pixels: Any) -> Features:
    """The tracker's features of a frame (1, 3, S, S), where no phrase has made them."""
    with torch.inference_mode():
        maps, positions = model.get_vision_features_for_tracker(
            model.detector_model.get_vision_features(pixel_values=pixels)
        )
    return {"vision_feats": maps, "vision_pos_embeds": positions}


def saved_state(session: Any) -> dict[str, Any]:
    """What a session remembers of the frames so far, by attribute."""
    return {name: getattr(session, name) for name in session.saved}


def load_state(session: Any, state: dict[str, Any]) -> None:
    """Put `saved_state` into a new session; the kinds of its dictionaries stay."""
    for name in session.saved:
        held = getattr(session, name)
        if isinstance(held, dict):
            held.clear()
            held.update(state[name])
        else:
            setattr(session, name, state[name])


class Pruner:
    """Drops what no frame after `frame` reads, from the outputs of either session."""

    def __init__(self, config: Any, pointer_history: int) -> None:
        self._features = config.num_maskmem - 1
        self._pointers = config.max_object_pointers_in_encoder - 1
        self._conditioning = config.max_cond_frame_num
        self._history = max(pointer_history, self._conditioning)
        self._position: Any = None

    def prune(self, session: Any, frame: int) -> None:
        """Call after each frame; the session's cache of features is emptied as well."""
        for index, outputs in session.output_dict_per_obj.items():
            self._prune_tracked(outputs["non_cond_frame_outputs"], frame)
            self._prune_conditioning(outputs["cond_frame_outputs"])
            session.frames_tracked_per_obj[index].clear()
            session.mask_inputs_per_obj[index].clear()
            session.point_inputs_per_obj.get(index, {}).clear()
        session.cache.clear_all()

    def _prune_tracked(self, outputs: dict[int, dict[str, Any]], frame: int) -> None:
        for number in list(outputs):
            if number <= frame - self._pointers:
                del outputs[number]
                continue
            self._strip(outputs[number], features=number > frame - self._features)

    def _prune_conditioning(self, outputs: dict[int, dict[str, Any]]) -> None:
        numbers = sorted(outputs)
        for number in numbers[: -self._history]:
            del outputs[number]
        for rank, number in enumerate(reversed(numbers[-self._history :])):
            output = outputs[number]
            self._strip(output, features=rank < self._conditioning or self._conditioning < 0)
            features = output.get("maskmem_features")
            # a slice of the batch would keep the other objects' features of that frame alive
            if features is not None and features.untyped_storage().nbytes() > features.nbytes:
                output["maskmem_features"] = features.clone()

    def _strip(self, output: dict[str, Any], *, features: bool) -> None:
        for name in _READ_ONLY_NOW if features else (*_READ_ONLY_NOW, *_FEATURES):
            output.pop(name, None)
        if "maskmem_pos_enc" in output:
            # the encoding depends on the map's size alone: one copy serves all frames and objects
            if self._position is None:
                self._position = output["maskmem_pos_enc"].clone()
            output["maskmem_pos_enc"] = self._position


def object_ceiling(config: Any, pointer_history: int, dtype: Any) -> int:
    """The bytes that one object can come to hold between two frames, by the video model's configuration.

    Features of recent and conditioning frames (bfloat16, whatever the model's), pointers, and the masks that
    wait for the hotstart to pass. What all objects share is not in it: one position encoding, 1.3 MB at full
    size in float32.
    """
    tracker = config.tracker_config
    rows, columns = tracker.vision_config.backbone_feature_sizes[-1]
    features = rows * columns * tracker.memory_encoder_output_channels * 2
    frames = tracker.num_maskmem - 1 + tracker.max_cond_frame_num
    pointer = tracker.vision_config.fpn_hidden_size * dtype.itemsize
    pointers = tracker.max_object_pointers_in_encoder - 1 + max(pointer_history, tracker.max_cond_frame_num)
    mask = config.low_res_mask_size**2 * 4
    return int(features * frames + pointer * pointers + mask * config.hotstart_delay)
