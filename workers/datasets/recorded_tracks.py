"""Tracks as bytes, for a clip whose next stages run on another worker.

Only what an engine found crosses between workers, never pixels: the next worker decodes the frames again.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workers.datasets.clip_frames import ClipFrame
from workers.engines.protocols import FrameResult, TrackedInstance
from workers.formats.rle import decode_mask, encode_mask


def record_tracks(frames: Iterator[ClipFrame]) -> bytes:
    """The tracks of a stream of frames, which is read to its end."""
    results = [frame.tracks for frame in frames if frame.tracks is not None]
    return json.dumps([_dump_result(result) for result in results], separators=(",", ":")).encode()


def replay_tracks(frames: Iterator[ClipFrame], data: bytes) -> Iterator[ClipFrame]:
    """The frames with the tracks that `record_tracks` wrote; masks are exactly the same."""
    results = {result["index"]: result for result in json.loads(data)}
    for frame in frames:
        result = results.get(frame.number)
        yield frame if result is None else replace(frame, tracks=_parse_result(result))


def to_builtin(result: FrameResult) -> FrameResult:
    """The same with Python's own numbers, which JSON holds exactly."""
    objects = (
        replace(
            item,
            id=int(item.id),
            box=(float(item.box[0]), float(item.box[1]), float(item.box[2]), float(item.box[3])),
            score=float(item.score),
            margin=None if item.margin is None else float(item.margin),
            merged=None if item.merged is None else float(item.merged),
        )
        for item in result.objects
    )
    return replace(result, objects=tuple(objects))


def _dump_result(result: FrameResult) -> dict[str, Any]:
    objects = [
        {
            "id": item.id,
            "mask": encode_mask(item.mask),
            "box": item.box,
            "score": item.score,
            "prompt": item.prompt,
            "label": item.label,
            "flags": item.flags,
            "margin": item.margin,
            "merged": item.merged,
        }
        for item in result.objects
    ]
    return {"index": result.index, "pts": result.pts, "objects": objects}


def _parse_result(content: dict[str, Any]) -> FrameResult:
    objects = tuple(_parse_object(item) for item in content["objects"])
    return FrameResult(content["index"], content["pts"], objects)


def _parse_object(content: dict[str, Any]) -> TrackedInstance:
    x0, y0, x1, y1 = content["box"]
    return TrackedInstance(
        id=content["id"],
        mask=decode_mask(content["mask"]),
        box=(x0, y0, x1, y1),
        score=content["score"],
        prompt=content["prompt"],
        label=content["label"],
        flags=tuple(content["flags"]),
        margin=content.get("margin"),
        merged=content.get("merged"),
    )
