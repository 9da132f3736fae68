"""The default tracker on rendered video with known masks and ids."""

import cv2
import numpy as np
import pytest
from skimage import data, transform

from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import FrameResult, Mask, Rgb, TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

HEIGHT, WIDTH, FRAMES = 240, 360, 28


@pytest.fixture(scope="module")
def engine() -> DefaultConcepts:
    return DefaultConcepts()


def _texture(image: Rgb, tint: tuple[float, float, float]) -> Rgb:
    grey = transform.resize(image, (HEIGHT, WIDTH), anti_aliasing=True).mean(axis=2, keepdims=True)
    return np.asarray((grey * tint + 25).clip(0, 255), dtype=np.uint8)


@pytest.fixture(scope="module")
def video() -> tuple[list[Rgb], list[dict[int, Mask]]]:
    """A disc (1) crosses the frame and on its way covers a small square (2) wholly; a bar (3) sinks."""
    ground = np.repeat(
        (transform.resize(data.gravel(), (HEIGHT, WIDTH)) * 170).astype(np.uint8)[..., None], 3, 2
    )
    looks = {
        1: _texture(data.astronaut(), (230, 70, 60)),
        2: _texture(data.chelsea(), (60, 90, 230)),
        3: _texture(data.coffee(), (70, 210, 80)),
    }
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames, truth = [], []
    for step in range(FRAMES):
        at = 50 + 9 * step
        shapes = {
            3: (np.abs(x - 310) < 22) & (np.abs(y - (60 + 4 * step)) < 40),
            2: (np.abs(x - 170) < 24) & (np.abs(y - 120) < 24),
            1: (x - at) ** 2 + (y - 120) ** 2 < 40**2,
        }
        frame, owner = ground.copy(), np.zeros((HEIGHT, WIDTH), np.int64)
        for name, shape in shapes.items():
            centre = {1: (at, 120), 2: (170, 120), 3: (310, 60 + 4 * step)}[name]
            shift = np.array([[1, 0, centre[0] - WIDTH / 2], [0, 1, centre[1] - HEIGHT / 2]], np.float32)
            moved = cv2.warpAffine(looks[name], shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            frame[shape], owner[shape] = moved[shape], name
        frames.append(frame)
        truth.append({name: owner == name for name in shapes})
    return frames, truth


def _clicks(truth: list[dict[int, Mask]]) -> TrackPrompts:
    return TrackPrompts.from_visual_prompts(
        [VisualPrompt(box=bounding_box(truth[0][name])) for name in (1, 2, 3)]
    )


@pytest.fixture(scope="module")
def run(
    engine: DefaultConcepts, video: tuple[list[Rgb], list[dict[int, Mask]]]
) -> tuple[list[FrameResult], dict[int, bytes]]:
    """One pass over the video, with a snapshot after some frames."""
    frames, truth = video
    tracker = engine.tracker(_clicks(truth))
    results: list[FrameResult] = []
    states: dict[int, bytes] = {}
    for index, image in enumerate(frames):
        results += tracker.step(VideoFrame(index, index * 512, image))
        states[index] = tracker.snapshot()
    results += tracker.finish()
    return results, states


def test_every_frame_is_answered_once_in_order(run: tuple[list[FrameResult], dict[int, bytes]]) -> None:
    assert [(result.index, result.pts) for result in run[0]] == [(step, step * 512) for step in range(FRAMES)]


def test_masks_follow_and_ids_stay_through_full_occlusion(
    run: tuple[list[FrameResult], dict[int, bytes]], video: tuple[list[Rgb], list[dict[int, Mask]]]
) -> None:
    overlaps: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for result, truth in zip(run[0], video[1], strict=True):
        actual = {item.id: item for item in result.objects}
        assert set(actual) <= {1, 2, 3} and len(actual) == len(result.objects)
        for name, mask in truth.items():
            if np.count_nonzero(mask) > 1000:
                overlaps[name].append(mask_iou(actual[name].mask, mask) if name in actual else 0.0)
        assert all(
            item.prompt == item.id - 1 and item.box == bounding_box(item.mask) for item in result.objects
        )
        assert all(0 < item.score <= 1 for item in result.objects)
    means = {name: float(np.mean(values)) for name, values in overlaps.items()}
    assert min(means.values()) >= 0.8, means
    # the square was hidden wholly in between, and is the same object at the end
    assert any(not truth[2].any() for truth in video[1])
    assert mask_iou(next(item.mask for item in run[0][-1].objects if item.id == 2), video[1][-1][2]) > 0.8


def test_a_hidden_object_is_not_reported(
    run: tuple[list[FrameResult], dict[int, bytes]], video: tuple[list[Rgb], list[dict[int, Mask]]]
) -> None:
    for result, truth in zip(run[0], video[1], strict=True):
        if not truth[2].any():
            assert all(np.count_nonzero(item.mask) < 600 for item in result.objects if item.id == 2)


@pytest.mark.parametrize("at", [3, 13])
def test_a_snapshot_goes_on_bit_for_bit(
    engine: DefaultConcepts,
    run: tuple[list[FrameResult], dict[int, bytes]],
    video: tuple[list[Rgb], list[dict[int, Mask]]],
    at: int,
) -> None:
    frames, truth = video
    tracker = engine.tracker(_clicks(truth), state=run[1][at])
    for index in range(at + 1, at + 7):
        (again,) = tracker.step(VideoFrame(index, index * 512, frames[index]))
        before = run[0][index]
        assert [(item.id, item.box, item.score, item.flags) for item in again.objects] == [
            (item.id, item.box, item.score, item.flags) for item in before.objects
        ]
        for one, two in zip(again.objects, before.objects, strict=True):
            assert one.mask.tobytes() == two.mask.tobytes()
    assert tracker.snapshot() == run[1][at + 6]


def test_the_state_does_not_grow(run: tuple[list[FrameResult], dict[int, bytes]]) -> None:
    # two masks and one frame of 320 x 213, compressed: a few hundred kilobytes at most, first or last
    assert max(len(state) for state in run[1].values()) < 1.5 * len(run[1][0])


def test_broken_or_foreign_snapshots_are_refused(
    engine: DefaultConcepts, run: tuple[list[FrameResult], dict[int, bytes]]
) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        engine.tracker(TrackPrompts(phrases=("cat",)), state=b"nothing")
    with pytest.raises(ValueError, match="prompts"):
        engine.tracker(TrackPrompts(phrases=("cat",)), state=run[1][0])
    with pytest.raises(ValueError, match="first frame"):
        engine.tracker(TrackPrompts(phrases=("cat",))).snapshot()


def test_a_phrase_follows_a_moving_photo(engine: DefaultConcepts) -> None:
    """The camera pans over a real photo of a person: one id, the mask moves with it."""
    photo = data.astronaut()
    tracker = engine.tracker(TrackPrompts(phrases=("people",)))
    results = [
        tracker.step(VideoFrame(step, step, np.ascontiguousarray(photo[20:404, 8 * step : 8 * step + 448])))[
            0
        ]
        for step in range(8)
    ]
    assert [[(item.id, item.label) for item in result.objects] for result in results] == [[(1, "person")]] * 8
    first, last = results[0].objects[0].mask, results[-1].objects[0].mask
    assert mask_iou(first[:, 56:], last[:, :-56]) > 0.9


def test_a_frame_of_another_size_is_refused(engine: DefaultConcepts) -> None:
    tracker = engine.tracker(TrackPrompts(phrases=("cat",)))
    tracker.step(VideoFrame(0, 0, np.zeros((64, 96, 3), np.uint8)))
    with pytest.raises(ValueError, match="size"):
        tracker.step(VideoFrame(1, 1, np.zeros((64, 64, 3), np.uint8)))
