"""The jobs of a video session: a preview of one object, and the propagation of all objects."""

import json
from typing import Any

from maquette.contract import (
    Direction,
    MediaRef,
    ObjectPrompt,
    Propagate,
    Rle,
    SegmentJob,
    TrackJob,
    TrackResult,
    VideoPrompt,
)
from maquette.contract.sessions import SESSION_OBJECTS

from service.problems import ServiceProblem
from service.state import State
from storage.ledger import SessionRow, jobs

# time limit of a preview: one frame, for a person who waits
PREVIEW_SECONDS = 120


def build_preview_job(
    state: State, session: SessionRow, prompts: list[VideoPrompt], number: int, frame: int
) -> SegmentJob | None:
    """The job that segments object `number` on a frame, from all its prompts there.

    Where these are points only, it starts from the object's mask in the last propagation; None where there is
    no such mask that points off the object could correct.
    """
    merged = ObjectPrompt.merge(
        prompt for prompt in prompts if prompt.object == number and prompt.frame == frame
    )
    if merged.box is None and merged.mask is None:
        mask = load_last_masks(state, session, frame).get(number)
        merged = merged.model_copy(update={"mask": mask})
    if not merged.can_start_object():
        return None
    return SegmentJob(
        image=MediaRef(id=session.video),
        frame=frame,
        prompts=[merged],
        engine=session.state["engine"],
        timeout_seconds=PREVIEW_SECONDS,
    )


def build_propagation_job(
    state: State, session: SessionRow, prompts: list[VideoPrompt], request: Propagate
) -> TrackJob:
    """The track job of a session; objects keep the ids that the session gave them.

    Raises ServiceProblem where there is no object, and when one can neither be started nor be taken over on
    the first frame.
    """
    start = request.start_frame
    if start is None and prompts:
        frames = [prompt.frame for prompt in prompts]
        start = max(frames) if request.direction == "backward" else min(frames)
    if start is not None:
        prompts = _select_reached(state, session, prompts, start, request.direction)
    if not session.state["text"] and all(prompt.remove for prompt in prompts):
        raise ServiceProblem("session_empty", 422, "there is nothing to track there: add a prompt first")
    return TrackJob(
        video=MediaRef(id=session.video),
        text=session.state["text"],
        threshold=session.state["threshold"],
        prompts=prompts,
        reserved_ids=SESSION_OBJECTS,
        start_frame=start,
        engine=session.state["engine"],
        **request.model_dump(exclude={"start_frame"}),
    )


def load_last_masks(state: State, session: SessionRow, frame: int) -> dict[int, Rle]:
    """The masks of the session's last propagation on one frame, by object id; empty where there are none."""
    job_id = session.state["last_job"]
    row = None if job_id is None else jobs.get(state.db, session.tenant, job_id)
    if row is None or row.manifest_sha256 is None:
        return {}
    manifest = state.results.get_manifest(row.manifest_sha256)
    assert isinstance(manifest.result, TrackResult)
    files = {artefact.name: artefact.sha256 for artefact in manifest.artefacts}
    for chunk in manifest.result.chunks:
        if chunk.first_frame <= frame <= chunk.last_frame:
            for line in state.store.get(files[chunk.name]).splitlines():
                tracked: dict[str, Any] = json.loads(line)
                if tracked["frame"] == frame:
                    objects = tracked["objects"]
                    return {item["id"]: Rle.model_validate(item["mask"]) for item in objects}
    return {}


def _select_reached(
    state: State, session: SessionRow, prompts: list[VideoPrompt], start: int, direction: Direction
) -> list[VideoPrompt]:
    """The prompts that tracking from `start` reaches, and the last masks there of the other objects."""
    reached = [prompt for prompt in prompts if _is_reached(prompt.frame, start, direction)]
    missed = [prompt for prompt in prompts if prompt not in reached]
    if not missed:
        return reached
    last_masks = load_last_masks(state, session, start)
    removed = {prompt.object for prompt in missed if prompt.remove}
    for number in sorted({prompt.object for prompt in missed if prompt.object is not None} - removed):
        own = [prompt for prompt in reached if prompt.object == number and not prompt.remove]
        if any(prompt.frame == start and (prompt.box or prompt.mask) for prompt in own):
            continue
        if number in last_masks:
            reached.insert(0, VideoPrompt(frame=start, object=number, mask=last_masks[number]))
        elif not own:
            raise ServiceProblem(
                "object_not_followed",
                409,
                f"object {number} has prompts on other frames only, and the last propagation has no mask of "
                f"it on frame {start}: prompt it there, or propagate from where it was prompted",
            )
    return reached


def _is_reached(frame: int, start: int, direction: Direction) -> bool:
    if direction == "both" or frame == start:
        return True
    return frame > start if direction == "forward" else frame < start
