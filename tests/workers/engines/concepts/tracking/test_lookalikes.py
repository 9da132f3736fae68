"""Look-alikes that cross: two ids on two objects, or a flag; never two equal masks."""

import numpy as np
import pytest

from tests.support.crossings import KINDS, CrossingClip, draw_crossing
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.concepts.images.color_histograms import quantize_colors
from workers.engines.concepts.tracking.config import LookalikeConfig
from workers.engines.concepts.tracking.lookalikes import (
    Vector,
    find_contacts,
    fit_together,
    settle_identities,
)
from workers.engines.concepts.tracking.state import Track
from workers.engines.concepts.tracking.track_update import start_track
from workers.engines.protocols import TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

CONFIG = LookalikeConfig()


def _start(clip: CrossingClip, frame: int) -> list[Track]:
    bins = quantize_colors(clip.frames[frame])
    masks = [clip.mask(frame, number).astype(np.uint8) * 255 for number in (1, 2)]
    return [
        start_track(number, mask, bins, prompt=number - 1, label=None, score=1.0, frame=0, interval=5)
        for number, mask in enumerate(masks, start=1)
    ]


def _center(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask)[:, ::-1].mean(axis=0)


def _velocities(clip: CrossingClip, frame: int) -> list[Vector]:
    steps = [_center(clip.mask(frame, n)) - _center(clip.mask(frame - 1, n)) for n in (1, 2)]
    return [np.asarray(step, np.float32) for step in steps]


def _cross(clip: CrossingClip) -> tuple[list[Track], list[Vector], bool]:
    """Move the tracks from before the meeting to the parting; whether their masks ever overlapped."""
    start = clip.meeting - 1
    tracks, velocities, overlapped = _start(clip, start), _velocities(clip, start), False
    for frame in range(start + 1, clip.parting + 1):
        find_contacts(tracks, velocities, CONFIG)
        bins = quantize_colors(clip.frames[frame])
        velocities = fit_together(tracks, velocities, bins, CONFIG)
        overlapped |= bool(np.any(tracks[0].visible_mask & tracks[1].visible_mask))
    return tracks, velocities, overlapped


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_look_alikes_keep_their_ids_through_a_crossing(kind: str, seed: int) -> None:
    clip = draw_crossing(seed, kind)
    tracks, _, overlapped = _cross(clip)
    assert not overlapped
    for track in tracks:
        truth = _center(clip.mask(clip.parting, track.id))
        other = _center(clip.mask(clip.parting, 3 - track.id))
        center = _center(track.amodal_mask)
        assert np.linalg.norm(center - truth) < 0.5 * np.linalg.norm(other - truth)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_equal_objects_that_bounce_keep_their_sides(kind: str, seed: int) -> None:
    clip = draw_crossing(seed, kind, bounce=True)
    tracks, _, _ = _cross(clip)
    centers = [_center(track.amodal_mask)[0] for track in tracks]
    assert centers[0] < centers[1]


def test_depth_of_the_overlap_decides_whether_the_identity_is_in_doubt() -> None:
    clip = draw_crossing(0, "disc")
    tracks = _start(clip, 0)
    gap = _center(clip.mask(0, 2)) - _center(clip.mask(0, 1))
    still = np.zeros(2, np.float32)
    for share, is_doubtful in ((0.0, False), (0.4, False), (1.0, True)):
        step = np.asarray(gap * share, np.float32)
        groups = find_contacts(tracks, [step, still], CONFIG)
        assert bool(groups) == (share == 1.0)
        assert all(bool(track.rival) == is_doubtful for track in tracks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "is_settled"),
    [
        pytest.param([(5, 0), (-5, 0)], True, id="they go on as they came"),
        pytest.param([(-5, 0), (5, 0)], False, id="they turn back"),
        pytest.param([(0, 0), (0, 0)], False, id="they stop"),
    ],
)
def test_motion_after_the_contact_clears_the_doubt(
    after: list[tuple[float, float]], is_settled: bool
) -> None:
    tracks = _start(draw_crossing(0, "disc"), 0)
    for track, velocity in zip(tracks, ((5.0, 0.0), (-5.0, 0.0)), strict=True):
        track.rival, track.entry_velocity = 3 - track.id, velocity
    for _ in range(CONFIG.settling_frames):
        settle_identities(tracks, [np.array(velocity, np.float32) for velocity in after], CONFIG)
    assert all((track.rival == 0) == is_settled for track in tracks)


@pytest.mark.slow
def test_two_objects_of_one_prompt_each_are_tracked_through_a_crossing() -> None:
    clip = draw_crossing(3, "disc", frames=30)
    boxes = [bounding_box(clip.mask(0, number)) for number in (1, 2)]
    engine = DefaultConcepts(mirror=False)
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes]))
    flagged = set()
    for index, image in enumerate(clip.frames):
        (result,) = tracker.step(VideoFrame(index, index, image))
        one, two = sorted(result.objects, key=lambda item: item.id)
        assert mask_iou(one.mask, two.mask) == 0
        if all("identity_uncertain" in item.flags for item in (one, two)):
            flagged.add(index)
        if index == 20:
            snapshot = tracker.snapshot()
            tracker = engine.tracker(
                TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes]), state=snapshot
            )
    assert min(mask_iou(clip.mask(29, item.id), item.mask) for item in (one, two)) > 0.8
    assert flagged and clip.meeting <= min(flagged) < clip.parting
