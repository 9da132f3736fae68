"""Gates decide alike at 30, 15 and 6 frames per second, on exact tracks and on faulty ones."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.walkers import RATE, Mask, Walker, render_walkers
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.gates.scores3d import score_track_3d
from workers.datasets.gates.track_metrics import TrackedMask, TrackMetrics
from workers.datasets.gates.track_scores import score_tracks
from workers.datasets.observations import TrackObservation
from workers.datasets.oriented_boxes import Box3d
from workers.geometry.borders import measure_border_contact
from workers.geometry.boxes import bounding_box

pytestmark = pytest.mark.slow

STEPS = (1, 2, 5)
# columns of ground that a mask takes with it
LEAK = 10
RED, BLUE, GREEN = (200, 60, 50), (50, 90, 200), (60, 170, 80)
Masks = list[dict[int, Mask]]
Scores = dict[int, dict[str, float | None]]


def score(frames: Sequence[NDArray[np.uint8]], masks: Sequence[Mapping[int, Mask]], step: int) -> Scores:
    """The scores of tracks of one phrase, by track and name."""
    metrics = TrackMetrics()
    for number, (image, own) in enumerate(zip(frames, masks, strict=True)):
        tracked = {track: TrackedMask(mask, bounding_box(mask), 0) for track, mask in own.items()}
        metrics.add(number, image, tracked)
    times = [number * step / RATE for number in range(len(frames))]
    scored = score_tracks("c", metrics.stats, frames[0].shape[0] * frames[0].shape[1], times)
    return {track: {row.name: row.value for row in rows} for track, rows in scored.items()}


def find_failed(scores: Mapping[str, float | None]) -> set[str]:
    failed = set()
    for name, value in scores.items():
        low, high = DEFAULT.bounds[name]
        if value is not None and ((low is not None and value < low) or (high is not None and value > high)):
            failed.add(name)
    return failed


def lose_halves(masks: Masks, track: int, seed: int) -> Masks:
    """In 60% of the frames half of the mask is lost, another half each time."""
    rng = np.random.default_rng(seed)
    out = []
    for own in masks:
        mask = own[track]
        x0, y0, x1, y1 = (int(value) for value in bounding_box(mask))
        half = np.zeros_like(mask)
        if rng.random() < 0.5:
            half[:, (x0 + x1) // 2 :] = True
        else:
            half[(y0 + y1) // 2 :] = True
        out.append({**own, track: mask & half if rng.random() < 0.6 else mask})
    return out


CROWD = (
    Walker(start=(30, 50), speed=(34, 0), color=RED),
    Walker(start=(220, 62), speed=(-40, 2), color=BLUE, strides=1.3),
    Walker(start=(128, 100), speed=(4, -3), color=GREEN, height=48, strides=0.8),
)


@pytest.mark.parametrize("seed", range(2))
def test_the_same_walkers_are_decided_alike_at_any_rate(seed: int) -> None:
    """Arms and legs swing, and people pass each other: nothing of it is flicker or an exchange of ids."""
    kept = {}
    for step in STEPS:
        frames, masks = render_walkers(CROWD, 4.0, step, seed)
        scores = score(frames, masks, step)
        kept[step] = {track: find_failed(own) for track, own in scores.items()}
        assert all((own["flicker"] or 0) < 0.1 for own in scores.values())
    assert kept == {step: {1: set(), 2: set(), 3: set()} for step in STEPS}


@pytest.mark.parametrize("step", STEPS)
def test_masks_that_lose_their_halves_flicker_at_any_rate(step: int) -> None:
    caught = []
    for seed in range(2):
        frames, masks = render_walkers(CROWD[:1], 4.0, step, seed)
        scores = score(frames, lose_halves(masks, 1, seed), step)
        caught.append("flicker" in find_failed(scores[1]))
    assert caught == [True] * 2


def go_on_with_other(masks: Masks, frame: int) -> Masks:
    """From a frame on the id of walker 1 is on walker 2, and walker 2 has none: one id is lost."""
    return [own if number < frame else {1: own[2]} for number, own in enumerate(masks)]


def go_on_with_new(masks: Masks, frame: int) -> Masks:
    """The same, but walker 1 goes on under a new id."""
    return [own if number < frame else {1: own[2], 3: own[1]} for number, own in enumerate(masks)]


def jump_to_unseen(masks: Masks, frame: int) -> Masks:
    """The id of walker 1 jumps to walker 2, whom nobody tracked before."""
    return [{1: own[1]} if number < frame else {1: own[2]} for number, own in enumerate(masks)]


SWITCHES: dict[str, tuple[Callable[[Masks, int], Masks], tuple[int, int, int]]] = {
    "one id is lost": (go_on_with_other, BLUE),
    "a new id begins": (go_on_with_new, BLUE),
    "to one whom nobody tracked": (jump_to_unseen, BLUE),
    # nothing but the motion shows it: both are dressed alike
    "dressed alike": (go_on_with_other, RED),
}


def meet(color: tuple[int, int, int]) -> tuple[Walker, Walker]:
    """Two walkers who pass each other after two seconds."""
    return (
        Walker(start=(58, 70), speed=(35, 0), color=RED),
        Walker(start=(198, 74), speed=(-35, 0), color=color),
    )


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("case", SWITCHES)
def test_an_id_that_goes_on_with_another_walker_is_a_switch(case: str, step: int) -> None:
    change, color = SWITCHES[case]
    frames, masks = render_walkers(meet(color), 4.0, step)
    assert score(frames, masks, step)[1]["id_switch"] == 0
    middle = round(2.0 * RATE / step)
    changed = score(frames, change(masks, middle), step)
    assert (changed[1]["id_switch"] or 0) > 0


@pytest.mark.parametrize("step", STEPS)
def test_a_turn_that_a_look_alike_does_not_explain_is_no_switch(step: int) -> None:
    """Both stop where they meet and go back: their clothes say who is who."""
    there, _ = render_walkers(meet(BLUE), 2.0, 1)
    frames, masks = render_walkers(meet(BLUE), 2.0, 1)
    frames, masks = [*there, *there[::-1]][::step], [*masks, *masks[::-1]][::step]
    assert [own["id_switch"] for own in score(frames, masks, step).values()] == [0, 0]


def leak_then_lose(masks: Masks, step: int) -> Masks:
    """The mask of walker 1 spreads over the ground behind for a second, then is lost behind walker 2."""
    out = []
    for number, own in enumerate(masks):
        seconds = number * step / RATE
        if 0.9 <= seconds < 1.9:
            ground = np.zeros_like(own[1])
            x0, y0, _, y1 = (int(value) for value in bounding_box(own[1]))
            ground[y0:y1, max(0, x0 - LEAK) : x0] = True
            own = {**own, 1: own[1] | ground}
        out.append({2: own[2]} if 1.9 <= seconds < 2.3 else own)
    return out


@pytest.mark.parametrize("step", STEPS)
def test_a_mask_that_leaks_before_it_meets_a_look_alike_is_no_switch(step: int) -> None:
    frames, masks = render_walkers(meet(RED), 4.0, step)
    assert score(frames, leak_then_lose(masks, step), step)[1]["id_switch"] == 0


def test_the_share_of_the_outline_at_the_border_grows_with_what_is_cut_off() -> None:
    image = np.zeros((100, 100), np.bool_)

    def square(x: int) -> Mask:
        out = image.copy()
        out[30:70, max(0, x) : x + 40] = True
        return out

    # of 40 x 40 pixels: whole, at the border, a quarter, half and three quarters outside
    expected = [0.0, 40 / 160, 40 / 140, 40 / 120, 40 / 100]
    assert [measure_border_contact(square(x)) for x in (5, 0, -10, -20, -30)] == pytest.approx(expected)
    assert measure_border_contact(image) == 0.0
    disc = np.zeros((100, 100), np.uint8)
    cv2.circle(disc, (50, 0), 20, 1, -1)
    assert measure_border_contact(disc > 0) == pytest.approx(1 / 3, abs=0.02)


def measure_3d(step: int, noise: float, growth: float) -> dict[str, float | None]:
    """Scores in space of a box that speeds up while it grows, seen for two seconds."""
    rng = np.random.default_rng(0)
    observations, boxes = [], {}
    for number in range(60 // step):
        t = number * step / RATE
        center = np.array([1.5 * t * t, 0, 4]) + rng.normal(0, noise, 3)
        boxes[number] = Box3d(
            center_cam=tuple(center), rotation_cam=(1, 0, 0, 0), center_world=None, rotation_world=None,
            size=(1.0, 1.0, 1.0), scale_source="metric", source="depth", confidence=1.0, flags=(),
        )  # fmt: skip
        mask = {"size": [4, 4], "counts": ""}
        observations.append(
            TrackObservation(
                frame=number, box=(0, 0, 1, 1), score=1.0, mask=mask,  # type: ignore[arg-type]
                area=round(1000 * np.exp(growth * t)), depth=None, points=None, flags=(),
            )
        )  # fmt: skip
    rows = score_track_3d("c", 1, observations, boxes, {})
    return {row.name: row.value for row in rows}


@pytest.mark.parametrize("step", STEPS)
def test_speeding_up_and_coming_nearer_are_no_jitter_at_any_rate(step: int) -> None:
    steady, shaken = measure_3d(step, 0.0, 2.0), measure_3d(step, 0.2, 2.0)
    assert steady["jitter_3d"] == pytest.approx(0, abs=1e-6)
    assert steady["size_constancy"] == pytest.approx(0, abs=0.01)
    # noise of 0.2 in each axis: the second difference has sqrt(3 * 6) * 0.2 over a diagonal of sqrt(3)
    assert shaken["jitter_3d"] == pytest.approx(0.49, rel=0.35)
