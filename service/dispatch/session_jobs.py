"""What a video session asks of the workers: a mask to show, or all its objects followed."""

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

PREVIEW_SECONDS = 120


def build_preview_job(
    state: State, session: SessionRow, prompts: list[VideoPrompt], number: int, frame: int
) -> SegmentJob:
    """The job that shows object `number` on a frame, by all that was said of it there.

    Where it was only corrected by points, it starts from the mask that the last propagation has of it.
    """
    said = [prompt for prompt in prompts if prompt.object == number and prompt.frame == frame]
    whole = ObjectPrompt.merge(said)
    if whole.box is None and whole.mask is None:
        whole = whole.model_copy(update={"mask": last_masks(state, session, frame).get(number)})
    return SegmentJob(
        image=MediaRef(id=session.video),
        frame=frame,
        prompts=[whole],
        engine=session.state["engine"],
        timeout_seconds=PREVIEW_SECONDS,
    )


def build_propagation_job(
    state: State, session: SessionRow, prompts: list[VideoPrompt], asked: Propagate
) -> TrackJob:
    """The track job of a whole session; objects keep the ids that the session gave them.

    Raises ServiceProblem when an object can neither be started nor be taken over on the first frame.
    """
    start = asked.start_frame
    if start is None and prompts:
        frames = [prompt.frame for prompt in prompts]
        start = max(frames) if asked.direction == "backward" else min(frames)
    if start is not None:
        prompts = _met(state, session, prompts, start, asked.direction)
    return TrackJob(
        video=MediaRef(id=session.video),
        text=session.state["text"],
        threshold=session.state["threshold"],
        prompts=prompts,
        reserved_ids=SESSION_OBJECTS,
        start_frame=start,
        engine=session.state["engine"],
        **asked.model_dump(exclude={"start_frame"}),
    )


def last_masks(state: State, session: SessionRow, frame: int) -> dict[int, Rle]:
    """The masks of a session's last propagation on one frame, by object; empty where there are none."""
    job_id = session.state["last_job"]
    row = None if job_id is None else jobs.get(state.db, session.tenant, job_id)
    if row is None or row.manifest_sha256 is None:
        return {}
    manifest = state.results.manifest(row.manifest_sha256)
    assert isinstance(manifest.result, TrackResult)
    files = {artefact.name: artefact.sha256 for artefact in manifest.artefacts}
    for chunk in manifest.result.chunks:
        if chunk.first_frame <= frame <= chunk.last_frame:
            for text in state.store.get(files[chunk.name]).splitlines():
                line: dict[str, Any] = json.loads(text)
                if line["frame"] == frame:
                    return {item["id"]: Rle.model_validate(item["mask"]) for item in line["objects"]}
    return {}


def _met(
    state: State, session: SessionRow, prompts: list[VideoPrompt], start: int, direction: Direction
) -> list[VideoPrompt]:
    """The prompts that tracking from `start` meets, and the known masks there of objects from before."""
    met = [prompt for prompt in prompts if _comes_to(prompt.frame, start, direction)]
    passed = [prompt for prompt in prompts if prompt not in met]
    if not passed:
        return met
    known = last_masks(state, session, start)
    gone = {prompt.object for prompt in passed if prompt.remove}
    for number in sorted({prompt.object for prompt in passed if prompt.object is not None} - gone):
        mine = [prompt for prompt in met if prompt.object == number and not prompt.remove]
        if any(prompt.frame == start and (prompt.box or prompt.mask) for prompt in mine):
            continue
        if number in known:
            met.insert(0, VideoPrompt(frame=start, object=number, mask=known[number]))
        elif not mine:
            raise ServiceProblem(
                "object_not_followed",
                409,
                f"object {number} is prompted on other frames alone, and the last propagation has no mask of "
                f"it on frame {start}: prompt it there, or propagate from where it was prompted",
            )
    return met


def _comes_to(frame: int, start: int, direction: Direction) -> bool:
    if direction == "both" or frame == start:
        return True
    return frame > start if direction == "forward" else frame < start
