"""Results wait for a short time while it is not known whom they show, and ids are put right in them.

Where a doubt lies between two objects, the strand showed the one before some moment and the other from it on:
the moment that explains the colours of all waiting masks best.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence

import cv2
import numpy as np

from workers.engines.concepts.identity.certainty import ROUNDING
from workers.engines.concepts.identity.link_odds import EQUAL
from workers.engines.concepts.masks import mask_area, remove_specks
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.identities import Settlement
from workers.engines.concepts.tracking.identity_state import HeldFrame, HeldObject, Shares
from workers.engines.concepts.tracking.soft_masks import SoftMask
from workers.engines.concepts.tracking.state import Track, TrackerState
from workers.engines.protocols import FrameResult, Mask, Rgb, TrackedInstance, VideoFrame
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box, mask_extent


def hold_frame(
    state: TrackerState, frame: VideoFrame, work: Rgb, doubtful: Collection[int], config: TrackerConfig
) -> None:
    """Add a frame (h, w, 3) with its objects to the waiting ones; `doubtful` are the strands in doubt."""
    objects = [_hold(track, state, track.strand in doubtful, config) for track in state.active_tracks]
    held = HeldFrame(
        index=frame.index,
        pts=frame.pts,
        clock=state.identities.clock,
        removed=len(state.removed),
        shape=(work.shape[0], work.shape[1]),
        objects=objects,
    )
    state.held.append(held)


def _hold(track: Track, state: TrackerState, is_doubtful: bool, config: TrackerConfig) -> HeldObject:
    known = state.identities.strands.get(track.strand)
    is_settled = known is None or known.since is None
    # from when it was last certain who it is to when it is settled who it is now; who is new was never
    # someone else
    is_doubtful = known is not None and known.before is not None and (is_doubtful or not is_settled)
    is_occluded = mask_area(track.visible_mask) < config.visibility.occluded_share * track.area
    return HeldObject(
        strand=track.strand,
        id=track.id,
        prompt=track.prompt,
        label=track.label,
        score=track.score,
        flags=("occluded",) if is_occluded else (),
        margin=track.margin,
        merged=track.merged,
        halves=None if known is None else known.halves,
        is_doubtful=is_doubtful,
        is_uncertain=bool(track.rival),
        is_settled=is_settled,
        soft=track.visible,
    )


def correct_ids(held: Sequence[HeldFrame], settlement: Settlement) -> None:
    """Give the waiting masks of a strand the ids of whom they show."""
    own = [
        (frame, item)
        for frame in held
        for item in frame.objects
        if item.strand == settlement.strand and frame.clock >= settlement.since and not item.is_settled
    ]
    between = [(frame, item) for frame, item in own if frame.clock < settlement.start]
    before = settlement.before
    cut = 0
    if before is not None and before.id != settlement.id:
        cut = _find_change([item for _, item in between], before.look, settlement.look)
        for frame, item in between[:cut]:
            _set_id(frame, item, before.id)
    for frame, item in own[cut:]:
        _set_id(frame, item, settlement.id)
        if before is None or before.id == settlement.id or frame.clock >= settlement.start:
            item.is_doubtful = False
    for _, item in own:
        item.is_settled = True


def release_frames(state: TrackerState, config: TrackerConfig) -> Iterator[FrameResult]:
    """The results that are final now, in order; the others are packed."""
    clock = state.identities.clock
    open_since = [item.since for item in state.identities.strands.values() if item.since is not None]
    least, latest = min(open_since, default=np.inf), clock - config.identities.hold_seconds + ROUNDING
    while state.held and (state.held[0].clock < least or state.held[0].clock <= latest):
        yield _to_result(state, state.held.pop(0))
    for frame in state.held:
        for item in frame.objects:
            _pack(item)


def release_all(state: TrackerState) -> list[FrameResult]:
    """The results that still wait when a video ends, with the ids that they have."""
    held, state.held = state.held, []
    return [_to_result(state, frame) for frame in held]


def _to_result(state: TrackerState, frame: HeldFrame) -> FrameResult:
    """The results of a frame that waited, without the ids that the user had removed by then."""
    removed = state.removed[: frame.removed]
    objects = sorted(frame.objects, key=lambda item: item.id)
    instances = [_to_instance(item, frame, state.size) for item in objects if item.id not in removed]
    return FrameResult(frame.index, frame.pts, tuple(instances))


def _to_instance(item: HeldObject, frame: HeldFrame, size: tuple[int, int]) -> TrackedInstance:
    """An object of a frame that waited, its mask at the frame's own (height, width)."""
    mask = upscale_mask(_unpack(item, frame.shape), size)
    is_uncertain = item.is_doubtful or item.is_uncertain
    return TrackedInstance(
        mask,
        bounding_box(mask),
        item.score,
        item.prompt,
        item.label,
        (*item.flags, *(("identity_uncertain",) if is_uncertain else ()), *truncation_flags(mask)),
        id=item.id,
        margin=item.margin,
        merged=item.merged,
    )


def upscale_mask(soft: SoftMask, size: tuple[int, int]) -> Mask:
    """A soft mask u8 (h, w) as a clean mask of (height, width)."""
    full = cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) > 127
    return remove_specks(np.asarray(full, dtype=np.bool_))


def _pack(item: HeldObject) -> None:
    if item.soft is None:
        return
    inside = np.asarray(item.soft > 0, np.bool_)
    x0, y0, x1, y1 = item.extent = mask_extent(inside) if inside.any() else (0, 0, 0, 0)
    # the fastest level: nearly all of a soft mask is 0 or 255
    item.packed, item.soft = zlib.compress(item.soft[y0:y1, x0:x1].tobytes(), 1), None


def _unpack(item: HeldObject, shape: tuple[int, int]) -> SoftMask:
    if item.soft is not None:
        return item.soft
    x0, y0, x1, y1 = item.extent
    soft = np.zeros(shape, np.uint8)
    soft[y0:y1, x0:x1] = np.frombuffer(zlib.decompress(item.packed), np.uint8).reshape(y1 - y0, x1 - x0)
    return soft


def _find_change(items: Sequence[HeldObject], before: Shares, after: Shares) -> int:
    """Of masks in order of time, how many show the object of `before`; the others show that of `after`."""
    gains = []
    for item in items:
        assert item.halves is not None
        colors = item.halves.astype(np.float64)
        one, two = (float(np.sqrt(look * colors).sum()) for look in (before, after))
        gains.append(np.log(max(1 - two, 0) + EQUAL) - np.log(max(1 - one, 0) + EQUAL))
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(gains)])))


def _set_id(frame: HeldFrame, item: HeldObject, number: int) -> None:
    """Give an object another id; who has it there gets the old one, unless it is known to be his."""
    for other in frame.objects:
        if other is not item and other.id == number:
            if other.is_settled:
                return
            other.id = item.id
    item.id = number
