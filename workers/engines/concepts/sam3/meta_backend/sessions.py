"""The memory of a session of Meta's video predictor: masks leave the card, and all of it comes back at last.

A session caches the masks of every frame at the video's size, a byte per pixel, for points that may correct
them: 600 frames of 30 objects in 1920 x 1080 are 37 GB. SAM 3's package on PyPI only forgets a closed
session, and its predictor's parts may still refer to its state, which holds all frames, features and masks
of a clip: a worker would climb with every clip. The pinned commit clears the state, but keeps the memory of
the card.
"""

import gc
import math
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

# where the predictor keeps sessions by id: SAM 3.1's base class, and the class before it
_SESSIONS = ("_all_inference_states", "_ALL_INFERENCE_STATES")

# the masks of each frame by object, in a session's state
_CACHE = "cached_frame_outputs"


@dataclass(frozen=True, slots=True)
class _PackedMask:
    """A bool tensor as bits in host memory, and the device to which it returns; packed and unpacked there."""

    bits: Any
    shape: tuple[int, ...]
    device: Any

    @classmethod
    def pack(cls, mask: Any) -> "_PackedMask":
        octets = pad(mask.flatten().view(torch.uint8), (0, -mask.numel() % 8)).view(-1, 8)
        bits = (octets * _list_weights(mask.device)).sum(dim=1, dtype=torch.uint8)
        return cls(bits.cpu(), tuple(mask.shape), mask.device)

    def unpack(self) -> Any:
        octets = self.bits.to(self.device)[:, None] & _list_weights(self.device)
        return (octets != 0).flatten()[: math.prod(self.shape)].view(self.shape)


class HostMasks(UserDict[int, Any]):
    """The masks of one frame by object, bool tensors, kept as bits in host memory.

    It is read and changed as the dictionary of upstream that it replaces; `nbytes` are those of the bits.
    """

    def __init__(self, masks: Mapping[int, Any]) -> None:
        self.nbytes = 0
        super().__init__(masks)

    def __getitem__(self, number: int) -> Any:
        return self.data[number].unpack()

    def __setitem__(self, number: int, mask: Any) -> None:
        self._forget(number)
        packed = self.data[number] = _PackedMask.pack(mask)
        self.nbytes += packed.bits.nbytes

    def __delitem__(self, number: int) -> None:
        self._forget(number)
        del self.data[number]

    def copy(self) -> dict[int, Any]:  # type: ignore[override]
        """The masks themselves, which upstream changes and stores anew."""
        return dict(self)

    def _forget(self, number: int) -> None:
        # counted as they come: the sum is asked for at every frame of a clip
        if number in self.data:
            self.nbytes -= self.data[number].bits.nbytes


def offload_masks(predictor: Any, session: str, place: int) -> None:
    """Take the masks that a session has cached for the frame at `place` off the card."""
    cached = _find_cache(predictor, session)
    masks = cached.get(place)
    if masks and not isinstance(masks, HostMasks):
        cached[place] = HostMasks(masks)


def count_offloaded_bytes(predictor: Any, session: str) -> int:
    """The bytes of all masks of a session that were taken off the card."""
    cached = _find_cache(predictor, session)
    return sum(masks.nbytes for masks in cached.values() if isinstance(masks, HostMasks))


def close_session(predictor: Any, session: str) -> None:
    """Close a session, whatever state it is in, and drop everything that it held."""
    held = _find_session(predictor, session)
    try:
        predictor.handle_request({"type": "close_session", "session_id": session})
    finally:
        state = held.get("state")
        if isinstance(state, dict):
            state.clear()
        held.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _find_session(predictor: Any, session: str) -> dict[str, Any]:
    for name in _SESSIONS:
        held = getattr(predictor, name, {}).get(session)
        if isinstance(held, dict):
            return held
    return {}


def _find_cache(predictor: Any, session: str) -> dict[int, Any]:
    # a new phrase gives a session's state another dictionary
    cached: dict[int, Any] = _find_session(predictor, session).get("state", {}).get(_CACHE, {})
    return cached


def _list_weights(device: Any) -> Any:
    """The values of the bits of a byte, the first pixel's first."""
    return 2 ** torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
