"""Bounding a video session: drop everything that no later frame reads.

transformers keeps every frame and every output. What a later frame reads of the past is in
`Sam3TrackerVideoModel._gather_memory_frame_outputs` and `_get_object_pointers`: the features of the last
`num_maskmem - 1` frames and of the `max_cond_frame_num` nearest conditioning frames, the pointers of the last
`max_object_pointers_in_encoder - 1` frames and of every conditioning frame.
"""

from typing import Any

# outputs that only the current frame reads, and the memory features
_CURRENT_ONLY = ("high_res_masks", "pred_masks", "object_score_logits")
_FEATURES = ("maskmem_features", "maskmem_pos_enc")


class SessionPruner:
    """Drops outputs of either session; `pointer_history` conditioning frames keep their pointer."""

    def __init__(self, config: Any, pointer_history: int) -> None:
        self._features = config.num_maskmem - 1
        self._pointers = config.max_object_pointers_in_encoder - 1
        self._conditioning = config.max_cond_frame_num
        self._history = max(pointer_history, self._conditioning)
        self._position: Any = None

    def prune(self, session: Any, frame: int) -> None:
        """Drop what no frame after `frame` reads; also empties the session's cache of features."""
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
            self._strip(outputs[number], keep_features=number > frame - self._features)

    def _prune_conditioning(self, outputs: dict[int, dict[str, Any]]) -> None:
        numbers = sorted(outputs)
        for number in numbers[: -self._history]:
            del outputs[number]
        for rank, number in enumerate(reversed(numbers[-self._history :])):
            output = outputs[number]
            self._strip(output, keep_features=rank < self._conditioning or self._conditioning < 0)
            features = output.get("maskmem_features")
            # a slice of the batch would keep the other objects' features of that frame alive
            if features is not None and features.untyped_storage().nbytes() > features.nbytes:
                output["maskmem_features"] = features.clone()

    def _strip(self, output: dict[str, Any], *, keep_features: bool) -> None:
        for name in _CURRENT_ONLY if keep_features else (*_CURRENT_ONLY, *_FEATURES):
            output.pop(name, None)
        if "maskmem_pos_enc" in output:
            # the encoding depends on the map's size alone: one copy serves all frames and objects
            if self._position is None:
                self._position = output["maskmem_pos_enc"].clone()
            output["maskmem_pos_enc"] = self._position


def max_object_bytes(config: Any, pointer_history: int, dtype: Any) -> int:
    """The most bytes that one object can hold between two frames, by the video model's configuration.

    Features of recent and conditioning frames (bfloat16, whatever the model's), pointers, and the masks that
    wait for the hotstart to pass. What all objects share is not included: one position encoding, 1.3 MB at
    full size in float32.
    """
    tracker = config.tracker_config
    rows, columns = tracker.vision_config.backbone_feature_sizes[-1]
    features = rows * columns * tracker.memory_encoder_output_channels * 2
    frames = tracker.num_maskmem - 1 + tracker.max_cond_frame_num
    pointer = tracker.vision_config.fpn_hidden_size * dtype.itemsize
    pointers = tracker.max_object_pointers_in_encoder - 1 + max(pointer_history, tracker.max_cond_frame_num)
    mask = config.low_res_mask_size**2 * 4
    return int(features * frames + pointer * pointers + mask * config.hotstart_delay)
