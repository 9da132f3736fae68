"""The prompts of a track job as trackers take them, and the prompt that each object answers."""

from maquette.contract import ObjectPrompt, PromptRef, TrackJob, VideoPrompt

from workers.engines.protocols import FrameExemplar, Removal, TimedPrompt, TrackPrompts
from workers.errors import JobProblem
from workers.jobs.segment.prompts import check_prompts, to_visual_prompt, to_visual_prompts


def build_track_prompts(
    request: TrackJob, start: int, width: int, height: int, *, backward: bool = False
) -> TrackPrompts:
    """All prompts, with the request's boxes and points on frame `start`.

    They are in the order in which a pass meets them; those that only the other pass meets follow. Raises
    JobProblem for prompts that do not fit the video's size, start no object, or are never reached.
    """
    _check_reached(request, start)
    check_prompts(request, width, height)
    timed = [
        TimedPrompt(start, number, prompt)
        for number, prompt in enumerate(to_visual_prompts(request.boxes, request.points), start=1)
    ]
    grouped: dict[tuple[int, int], list[VideoPrompt]] = {}
    for number, prompt in request.number_prompts():
        if not prompt.remove:
            grouped.setdefault((prompt.frame, number), []).append(prompt)
    for (frame, number), prompts in sorted(grouped.items()):
        field = f"the prompt of object {number} on frame {frame}"
        timed.append(TimedPrompt(frame, number, to_visual_prompt(ObjectPrompt.merge(prompts), field)))
    return TrackPrompts(
        phrases=tuple(request.text),
        thresholds=tuple(request.resolve_thresholds()),
        objects=request.highest_prompted_id(),
        visual_prompts=tuple(sorted(timed, key=lambda item: _rank(item.frame, start, backward))),
        removals=tuple(
            Removal(item.frame, number) for number, item in request.number_prompts() if item.remove
        ),
        exemplars=tuple(
            FrameExemplar(item.frame, item.phrase, item.box.xyxy(), int(item.positive))
            for item in request.exemplars
        ),
    )


def _rank(frame: int, start: int, backward: bool) -> tuple[bool, int]:
    """Sorts frames by when a pass from `start` meets them, those of the other pass last."""
    is_met = frame <= start if backward else frame >= start
    return not is_met, abs(frame - start)


def map_prompt_refs(request: TrackJob) -> dict[int, PromptRef]:
    """The prompt of the request for each prompt index of tracked objects: a phrase, or the first prompt."""
    texts, boxes = len(request.text), len(request.boxes)
    refs = {index: PromptRef(kind="text", index=index) for index in range(texts)}
    for index in range(boxes):
        refs[texts + index] = PromptRef(kind="box", index=index)
    for index in range(len(request.points)):
        refs[texts + boxes + index] = PromptRef(kind="points", index=index)
    for index, (number, _) in enumerate(request.number_prompts()):
        refs.setdefault(texts + number - 1, PromptRef(kind="prompt", index=index))
    return refs


def _check_reached(request: TrackJob, start: int) -> None:
    """Raise JobProblem for a prompt or an exemplar on a frame that no pass reaches, and that ignores it."""
    frames = [(f"prompts[{index}]", item.frame) for index, item in enumerate(request.prompts)]
    frames += [(f"exemplars[{index}]", item.frame) for index, item in enumerate(request.exemplars)]
    for field, frame in frames:
        before, after = frame < start, frame > start
        if (before and request.direction == "forward") or (after and request.direction == "backward"):
            raise JobProblem(
                "prompt_never_reached",
                f"{field} lies on frame {frame}, which tracking {request.direction} from "
                f"frame {start} does not reach",
            )
