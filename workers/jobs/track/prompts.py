"""The prompts of a track job as trackers take them, and the prompt that each object answers."""

from collections.abc import Iterator

from maquette.contract import ObjectPrompt, PromptRef, TrackJob, VideoPrompt

from workers.engines.protocols import FrameExemplar, Removal, TimedPrompt, TrackPrompts
from workers.errors import JobProblem
from workers.jobs.segment.prompts import check_regions, to_visual_prompt, to_visual_prompts


def choose_start_frame(request: TrackJob) -> int | None:
    """The frame where tracking starts; None for the video's last frame, whose index is not known yet."""
    if request.start_frame is not None:
        return request.start_frame
    backward = request.direction == "backward"
    frames = [prompt.frame for prompt in request.prompts]
    if not frames or request.boxes or request.points:
        return None if backward else 0
    return max(frames) if backward else min(frames)


def build_track_prompts(request: TrackJob, start: int, width: int, height: int) -> TrackPrompts:
    """All prompts, with the request's boxes and points on frame `start`.

    Raises JobProblem for prompts that do not fit the video's size or that tracking never reaches.
    """
    _check_reached(request, start)
    check_regions(request, width, height)
    timed = [
        TimedPrompt(start, number, prompt)
        for number, prompt in enumerate(to_visual_prompts(request.boxes, request.points), start=1)
    ]
    grouped: dict[tuple[int, int], list[VideoPrompt]] = {}
    for number, _, prompt in _number_prompts(request):
        if not prompt.remove:
            grouped.setdefault((prompt.frame, number), []).append(prompt)
    for (frame, number), prompts in sorted(grouped.items()):
        field = f"the prompt of object {number} on frame {frame}"
        timed.append(TimedPrompt(frame, number, to_visual_prompt(ObjectPrompt.merge(prompts), field)))
    return TrackPrompts(
        phrases=tuple(request.text),
        thresholds=tuple(request.resolve_thresholds()),
        objects=request.highest_prompted_id(),
        visual_prompts=tuple(sorted(timed, key=lambda item: item.frame)),
        removals=tuple(
            Removal(item.frame, number) for number, _, item in _number_prompts(request) if item.remove
        ),
        exemplars=tuple(
            FrameExemplar(item.frame, item.phrase, item.box.xyxy()) for item in request.exemplars
        ),
    )


def map_prompt_refs(request: TrackJob) -> dict[int, PromptRef]:
    """The prompt of the request for each prompt index of tracked objects: a phrase, or the first prompt."""
    texts, boxes = len(request.text), len(request.boxes)
    refs = {index: PromptRef(kind="text", index=index) for index in range(texts)}
    for index in range(boxes):
        refs[texts + index] = PromptRef(kind="box", index=index)
    for index in range(len(request.points)):
        refs[texts + boxes + index] = PromptRef(kind="points", index=index)
    for number, index, _ in _number_prompts(request):
        refs.setdefault(texts + number - 1, PromptRef(kind="prompt", index=index))
    return refs


def _number_prompts(request: TrackJob) -> Iterator[tuple[int, int, VideoPrompt]]:
    """Each of `prompts` with the id of its object and its index."""
    started = len(request.boxes) + len(request.points)
    for index, prompt in enumerate(request.prompts):
        if prompt.object is None:
            started += 1
        yield prompt.object or started, index, prompt


def _check_reached(request: TrackJob, start: int) -> None:
    """Raise JobProblem for a prompt on a frame that no pass reaches: it would be ignored silently."""
    for index, prompt in enumerate(request.prompts):
        before, after = prompt.frame < start, prompt.frame > start
        if (before and request.direction == "forward") or (after and request.direction == "backward"):
            raise JobProblem(
                "prompt_never_reached",
                f"prompts[{index}] lies on frame {prompt.frame}, which tracking {request.direction} from "
                f"frame {start} does not reach",
            )
