"""A frame's tracks get the ids of whom they show, and its results wait until these are known."""

from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.held_results import correct_ids, hold_frame, release_frames
from workers.engines.concepts.tracking.identities import (
    advance_clock,
    forget_lost,
    observe_strands,
    rename_tracks,
    settle_strands,
)
from workers.engines.concepts.tracking.state import TrackerState
from workers.engines.protocols import FrameResult, Rgb, VideoFrame


def identify_objects(
    state: TrackerState, frame: VideoFrame, work: Rgb, config: TrackerConfig
) -> list[FrameResult]:
    """Put the ids of a frame's tracks right, and those of results that wait; the results that are final now.

    `work` is the frame (h, w, 3) in working pixels. A frame whose time is not known has the ids of its
    strands, and does not wait.
    """
    doubtful: set[int] = set()
    if frame.time is not None:
        identities = state.identities
        advance_clock(identities, frame.time)
        doubtful = observe_strands(identities, state.active_tracks, work, config.identities)
        settlements = settle_strands(identities, state.tracks, state.removed, state.take_id)
        state.tracks = rename_tracks(state.tracks, settlements)
        forget_lost(identities, state.tracks, config.identities)
        for settlement in settlements:
            correct_ids(state.held, settlement)
    hold_frame(state, frame, work, doubtful, config)
    return list(release_frames(state, config))
