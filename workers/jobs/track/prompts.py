"""The prompts of a track job as trackers take them, and which prompt an object goes back to."""

from collections.abc import Iterator

from maquette.contract import ObjectPrompt, PromptRef, TrackJob, VideoPrompt

from workers.engines.protocols import FrameExemplar, Removal, TimedPrompt, TrackPrompts
from workers.errors import JobProblem
from workers.jobs.segment.instances import (
    check_prompts_inside,
    prompt_outside_problem,
    to_visual_prompt,
    to_visual_prompts,
)


def choose_start_frame(request: TrackJob) -> int | None:
    """Where tracking starts; None for the video's last frame, whose index is not known yet."""
    if request.start_frame is not None:
        return request.start_frame
    backward = request.direction == "backward"
    frames = [prompt.frame for prompt in request.prompts]
    if not frames or request.boxes or request.points:
        return None if backward else 0
    return max(frames) if backward else min(frames)


def build_track_prompts(request: TrackJob, start: int, width: int, height: int) -> TrackPrompts:
    """All prompts, boxes and points on frame `start`; raises JobProblem for one outside the picture."""
    _check_sides(request, start)
    for index, exemplar in enumerate(request.exemplars):
        if exemplar.box.is_outside(width, height):
            raise prompt_outside_problem(f"exemplars[{index}]", width, height)
    check_prompts_inside(request.boxes, request.points, width, height)
    clicks = [
        TimedPrompt(start, number, click)
        for number, click in enumerate(to_visual_prompts(request.boxes, request.points), start=1)
    ]
    grouped: dict[tuple[int, int], list[VideoPrompt]] = {}
    for number, _, prompt in _numbered(request):
        if not prompt.remove:
            grouped.setdefault((prompt.frame, number), []).append(prompt)
    for (frame, number), said in sorted(grouped.items()):
        what = f"the prompt of object {number} on frame {frame}"
        click = to_visual_prompt(ObjectPrompt.merge(said), what, width, height)
        clicks.append(TimedPrompt(frame, number, click))
    removals = [Removal(item.frame, number) for number, _, item in _numbered(request) if item.remove]
    return TrackPrompts(
        tuple(request.text),
        tuple(request.resolve_thresholds()),
        request.highest_prompted_id(),
        tuple(sorted(clicks, key=lambda timed: timed.frame)),
        tuple(removals),
        tuple(FrameExemplar(item.frame, item.phrase, item.box.xyxy()) for item in request.exemplars),
    )


def map_prompt_refs(request: TrackJob) -> dict[int, PromptRef]:
    """Where in the request each prompt index of a tracked object points: its phrase, or its first prompt."""
    texts, boxes = len(request.text), len(request.boxes)
    refs = {index: PromptRef(kind="text", index=index) for index in range(texts)}
    for index in range(boxes):
        refs[texts + index] = PromptRef(kind="box", index=index)
    for index in range(len(request.points)):
        refs[texts + boxes + index] = PromptRef(kind="points", index=index)
    for number, index, _ in _numbered(request):
        refs.setdefault(texts + number - 1, PromptRef(kind="prompt", index=index))
    return refs


def _numbered(request: TrackJob) -> Iterator[tuple[int, int, VideoPrompt]]:
    """Each prompt with the id of its object and its index."""
    started = len(request.boxes) + len(request.points)
    for index, prompt in enumerate(request.prompts):
        if prompt.object is None:
            started += 1
        yield prompt.object or started, index, prompt


def _check_sides(request: TrackJob, start: int) -> None:
    """A prompt that no pass will meet would be left out in silence."""
    for index, prompt in enumerate(request.prompts):
        before, after = prompt.frame < start, prompt.frame > start
        if (before and request.direction == "forward") or (after and request.direction == "backward"):
            raise JobProblem(
                "prompt_never_reached",
                f"prompts[{index}] lies on frame {prompt.frame}; tracking {request.direction} from frame "
                f"{start} never comes there",
            )
