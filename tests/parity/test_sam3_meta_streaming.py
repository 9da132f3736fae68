"""Results of Meta's backend that come while the last pass runs, against a FAKE: see sam3_meta_fake.py."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

from tests.parity.sam3_meta_fake import seen
from tests.parity.sam3_tiny import draw_image
from tests.parity.test_sam3_meta import FIRST, FRAMES, GREEN_AT_3, engine, frame, point, predictor
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.protocols import FrameExemplar, FrameResult, TimedPrompt, TrackPrompts

CORRECTED = TrackPrompts(("red",), visual_prompts=(TimedPrompt(FIRST + 3, 1, point(GREEN_AT_3)),))


def count_answers(built: MetaConcepts) -> list[int]:
    """The frames of Meta's answers so far, those of all passes; it grows while results are read."""
    places: list[int] = []
    stream = predictor(built).handle_stream_request

    def watch(request: dict[str, Any]) -> Iterator[Any]:
        for answer in stream(request):
            places.append(answer["frame_index"])
            yield answer

    predictor(built).handle_stream_request = watch
    return places


def start(built: MetaConcepts, prompts: TrackPrompts, *shown: FrameExemplar) -> Iterator[FrameResult]:
    tracker = built.tracker(replace(prompts, exemplars=shown))
    for number in range(FRAMES):
        assert list(tracker.step(frame(number))) == []
    return iter(tracker.finish())


# answers that Meta's session has given when the result of each frame comes
N = FRAMES
WHOLE = [N] * N
LIVE = list(range(1, N + 1))


@pytest.mark.parametrize(
    ("prompts", "box_at", "expected"),
    [
        pytest.param(TrackPrompts(("red",)), None, LIVE, id="one phrase"),
        pytest.param(TrackPrompts(("green", "red")), None, [N + n for n in LIVE], id="the second phrase"),
        # frames before the correction come in the first pass, the others in that of the correction
        pytest.param(CORRECTED, None, [1, 2, 3, *range(N + 1, 2 * N - 2)], id="a correction"),
        pytest.param(
            TrackPrompts(("red",), objects=1, visual_prompts=(TimedPrompt(FIRST, 1, point(GREEN_AT_3)),)),
            None,
            [2 * N + n for n in LIVE],
            id="an object of a point after a phrase and an empty pass",
        ),
        pytest.param(TrackPrompts(("visual",)), 0, LIVE, id="a box on the first frame"),
        # the first frame is the last one that Meta's session reaches
        pytest.param(TrackPrompts(("visual",)), 3, WHOLE, id="a box on a later frame"),
    ],
)
def test_each_frame_comes_when_no_pass_can_change_it_any_more(
    prompts: TrackPrompts, box_at: int | None, expected: list[int]
) -> None:
    built = engine()
    answers = count_answers(built)
    box = [] if box_at is None else [FrameExemplar(FIRST + box_at, 0, (10.0, 30.0, 34.0, 50.0))]
    results, come = [], []
    for result in start(built, prompts, *box):
        results.append(result)
        come.append(len(answers))
    assert [each.index for each in results] == list(range(FIRST, FIRST + N))
    assert come == expected


def test_a_correction_does_not_change_frames_that_were_handed_out_before_it() -> None:
    for result in start(engine(), CORRECTED):
        image = draw_image(result.index - FIRST)
        right = seen(image, "red")
        if result.index >= FIRST + 3:
            right = right | seen(image, "green")
        (only,) = result.objects
        assert np.array_equal(only.mask, right) and only.prompt == 0


def test_a_prompt_for_an_unknown_object_ends_the_results_before_its_frame() -> None:
    built = engine()
    unknown = TrackPrompts(("red",), visual_prompts=(TimedPrompt(FIRST + 3, 7, point(GREEN_AT_3)),))
    results = start(built, unknown)
    assert [next(results).index for _ in range(3)] == [FIRST, FIRST + 1, FIRST + 2]
    with pytest.raises(ObjectUnknown):
        next(results)
    assert not predictor(built).sessions


def test_what_reads_no_further_ends_the_pass_and_the_session() -> None:
    built = engine()
    answers = count_answers(built)
    results: Any = start(built, TrackPrompts(("red",), thresholds=(0.3,)))
    assert next(results).index == FIRST
    # the model is shared: between two frames it has its own thresholds
    model = predictor(built).model
    assert (model.score_threshold_detection, model.new_det_thresh) == (0.5, 0.7)
    assert predictor(built).sessions
    results.close()
    assert not predictor(built).sessions and answers == [0]


def test_masks_that_were_handed_out_take_no_memory() -> None:
    """As many masks as frames fit of two phrases, where only the first one's wait, and upstream's bits."""
    one_frame = draw_image().shape[0] * draw_image().shape[1]
    tight = engine(mask_bytes=(FRAMES + 2) * one_frame)
    predictor(tight).model.new_det_thresh = 0.5
    results = list(start(tight, TrackPrompts(("red", "green"))))
    assert all(len(each.objects) == 2 for each in results)
