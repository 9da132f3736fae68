"""Clicks, corrections and removals on any frame of a video, and video that runs backwards."""

from collections.abc import Sequence

import numpy as np
import pytest
from skimage import data

from tests.support.scenes import draw_ball, make_wall
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import (
    FrameResult,
    Mask,
    Removal,
    Rgb,
    TimedPrompt,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

FRAMES = 10
# the frames, and the masks of each by the colour of the ball
Balls = tuple[list[Rgb], list[dict[str, Mask]]]


@pytest.fixture(scope="module")
def engine() -> DefaultConcepts:
    return DefaultConcepts()


@pytest.fixture(scope="module")
def balls() -> Balls:
    """A red ball goes right, a blue one goes left below it."""
    frames, truth = [], []
    for step in range(FRAMES):
        image = make_wall()
        red = draw_ball(image, (70, 70 + 6 * step), 34, (220, 60, 40))
        blue = draw_ball(image, (170, 250 - 6 * step), 34, (40, 80, 220))
        frames.append(image)
        truth.append({"red": red, "blue": blue})
    return frames, truth


def run(
    engine: DefaultConcepts, prompts: TrackPrompts, frames: Sequence[Rgb], order: Sequence[int]
) -> dict[int, FrameResult]:
    """Results by frame index; the tracker is replaced by its snapshot in the middle."""
    tracker = engine.tracker(prompts)
    results = {}
    for place, index in enumerate(order):
        for result in tracker.step(VideoFrame(index, index, frames[index])):
            results[result.index] = result
        if place == len(order) // 2:
            tracker = engine.tracker(prompts, state=tracker.snapshot())
    return results


def find_mask(result: FrameResult, number: int) -> Mask | None:
    return next((item.mask for item in result.objects if item.id == number), None)


def box_prompt(truth: list[dict[str, Mask]], frame: int, number: int, colour: str) -> TimedPrompt:
    """The box of the ball of that colour on a frame, for object `number`."""
    return TimedPrompt(frame, number, VisualPrompt(box=bounding_box(truth[frame][colour])))


def points(*xyl: tuple[float, float, int]) -> VisualPrompt:
    rows = np.array(xyl, np.float64)
    return VisualPrompt(points=rows[:, :2], labels=rows[:, 2].astype(np.int64))


def centre(mask: Mask) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


def test_each_object_starts_on_its_own_frame_under_its_own_id(engine: DefaultConcepts, balls: Balls) -> None:
    frames, truth = balls
    prompts = TrackPrompts(
        objects=3, visual_prompts=(box_prompt(truth, 2, 3, "red"), box_prompt(truth, 4, 1, "blue"))
    )
    results = run(engine, prompts, frames, range(FRAMES))
    for index, result in results.items():
        assert [item.id for item in result.objects] == [
            *([1] if index >= 4 else []),
            *([3] if index >= 2 else []),
        ]
        assert [item.prompt for item in result.objects] == [item.id - 1 for item in result.objects]
    assert mask_iou(find_mask(results[FRAMES - 1], 3), truth[FRAMES - 1]["red"]) > 0.9
    assert mask_iou(find_mask(results[FRAMES - 1], 1), truth[FRAMES - 1]["blue"]) > 0.9


def test_tracking_backwards_from_the_middle(engine: DefaultConcepts, balls: Balls) -> None:
    frames, truth = balls
    prompts = TrackPrompts(
        objects=2, visual_prompts=(box_prompt(truth, 9, 1, "red"), box_prompt(truth, 6, 2, "blue"))
    )
    results = run(engine, prompts, frames, range(9, -1, -1))
    assert list(results) == list(range(9, -1, -1))
    assert all(mask_iou(find_mask(results[index], 1), truth[index]["red"]) > 0.85 for index in range(10))
    assert all(mask_iou(find_mask(results[index], 2), truth[index]["blue"]) > 0.85 for index in range(7))
    assert find_mask(results[8], 2) is None


def test_points_take_away_and_add(engine: DefaultConcepts, balls: Balls) -> None:
    frames, truth = balls
    both = truth[0]["red"] | truth[0]["blue"]
    half = truth[0]["blue"].copy()
    half[:, int(centre(half)[0]) :] = False
    prompts = TrackPrompts(
        objects=2,
        visual_prompts=(
            TimedPrompt(0, 1, VisualPrompt(mask=both)),
            TimedPrompt(0, 2, VisualPrompt(mask=half)),
            TimedPrompt(1, 1, points((*centre(truth[1]["blue"]), 0))),
            TimedPrompt(1, 2, points((centre(truth[1]["blue"])[0] + 18, 170.0, 1))),
        ),
    )
    results = run(engine, prompts, frames, range(FRAMES))
    # a mask is taken as it is
    assert mask_iou(find_mask(results[0], 1), both) > 0.97 and mask_iou(find_mask(results[0], 2), half) > 0.97
    for index in range(1, FRAMES):
        assert mask_iou(find_mask(results[index], 1), truth[index]["red"]) > 0.85
        assert mask_iou(find_mask(results[index], 2), truth[index]["blue"]) > 0.85


@pytest.mark.parametrize("how", ["box", "mask"])
def test_a_box_or_a_mask_replaces_an_object(engine: DefaultConcepts, balls: Balls, how: str) -> None:
    frames, truth = balls
    right = truth[5]["blue"]
    prompts = TrackPrompts(
        objects=1,
        visual_prompts=(
            box_prompt(truth, 0, 1, "red"),
            TimedPrompt(
                5, 1, VisualPrompt(box=bounding_box(right)) if how == "box" else VisualPrompt(mask=right)
            ),
        ),
    )
    results = run(engine, prompts, frames, range(FRAMES))
    for index, result in results.items():
        assert mask_iou(find_mask(result, 1), truth[index]["red" if index < 5 else "blue"]) > 0.85


def test_what_is_removed_stays_away(engine: DefaultConcepts, balls: Balls) -> None:
    frames, truth = balls
    prompts = TrackPrompts(
        objects=2,
        visual_prompts=(
            box_prompt(truth, 0, 1, "red"),
            box_prompt(truth, 0, 2, "blue"),
            box_prompt(truth, 9, 1, "red"),
        ),
        removals=(Removal(4, 1),),
    )
    results = run(engine, prompts, frames, range(FRAMES))
    assert [[item.id for item in results[index].objects] for index in range(FRAMES)] == (
        [[1, 2]] * 4 + [[2]] * (FRAMES - 4)
    )


def test_an_object_of_a_phrase_can_be_corrected_and_removed(engine: DefaultConcepts) -> None:
    """Removed, the person does not come back under another id."""
    photo = data.astronaut()
    frames = [np.ascontiguousarray(photo[20:404, 4 * step : 4 * step + 448]) for step in range(10)]
    first = engine.tracker(TrackPrompts(phrases=("person",))).step(VideoFrame(0, 0, frames[0]))[0].objects[0]
    assert first.id == 1
    rows, _ = np.nonzero(first.mask)
    half = first.mask & (np.arange(384)[:, None] < np.median(rows))
    prompts = TrackPrompts(
        phrases=("person",),
        objects=1,
        visual_prompts=(TimedPrompt(2, 2, VisualPrompt(mask=half)),),
        removals=(Removal(4, 2),),
    )
    results = run(engine, prompts, frames, range(10))
    assert [[(item.id, item.prompt) for item in results[index].objects] for index in range(4)] == [
        [(2, 0)]
    ] * 4
    assert mask_iou(find_mask(results[2], 2), half) > 0.95
    assert all(not results[index].objects for index in range(4, 10))


def test_a_lost_object_is_given_back_by_a_click(engine: DefaultConcepts) -> None:
    """It left to the left, and what the user names as the same looks different."""
    frames = []
    for step in range(10):
        image = make_wall()
        if step < 4:
            draw_ball(image, (120, 40 - 40 * step), 34, (220, 60, 40))
        green = draw_ball(image, (120, 240), 34, (60, 200, 80))
        frames.append(image)
    prompts = TrackPrompts(
        objects=1,
        visual_prompts=(
            TimedPrompt(0, 1, VisualPrompt(box=(6.0, 86.0, 74.0, 154.0))),
            TimedPrompt(5, 1, points((30.0, 30.0, 0))),
            TimedPrompt(7, 1, points((240.0, 120.0, 1))),
        ),
    )
    results = run(engine, prompts, frames, range(10))
    assert [bool(results[index].objects) for index in (0, 4, 5, 6, 7, 9)] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert mask_iou(find_mask(results[9], 1), green) > 0.85


@pytest.mark.parametrize(
    ("click", "said"),
    [
        (VisualPrompt(points=np.array([[500.0, 10.0]])), "outside the image"),
        (VisualPrompt(mask=np.ones((4, 4), np.bool_)), "size"),
        (VisualPrompt(points=np.array([[5.0, 5.0]]), labels=np.array([0])), "inside the object"),
        (VisualPrompt(box=(400.0, 10.0, 500.0, 20.0)), "does not meet"),
    ],
)
def test_a_click_that_cannot_be_answered_is_refused_before_any_work(
    engine: DefaultConcepts, balls: Balls, click: VisualPrompt, said: str
) -> None:
    tracker = engine.tracker(TrackPrompts(objects=1, visual_prompts=(TimedPrompt(8, 1, click),)))
    with pytest.raises(ValueError, match=said):
        tracker.step(VideoFrame(0, 0, balls[0][0]))
