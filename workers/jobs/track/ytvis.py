"""Writes tracks as YouTube-VIS JSON with the noun phrases of SA-Co, in little memory."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maquette.contract import Artefact, Track, TrackJob, TrackResult
from pycocotools import mask as coco

from workers.jobs.context import JobContext
from workers.jobs.track.mask_rows import TrackedMask, read_frames

# category of objects that visual prompts named; they have no noun phrase
PROMPTED_CATEGORY = "object"
# lists of one track, in the order of the columns of its file
TRACK_LISTS = ("segmentations", "bboxes", "areas")


def write_ytvis(
    context: JobContext, request: TrackJob, result: TrackResult, masks: Sequence[Artefact], folder: Path
) -> Iterator[bytes]:
    """YouTube-VIS JSON in chunks; `folder` holds one temporary file per track.

    Lists have one entry per tracked frame, null where the object is not seen. Phrases without a track are
    pairs of 0 masklets.
    """
    frames = [frame.frame for frame in read_frames(context, masks)]
    files = _split_by_track(context, masks, folder)
    names = list(dict.fromkeys(request.text))
    if any(track.prompt.kind != "text" for track in result.tracks) and PROMPTED_CATEGORY not in names:
        names.append(PROMPTED_CATEGORY)
    categories = {name: number for number, name in enumerate(names, start=1)}
    yield json.dumps(_build_header(request, result, frames, categories))[:-1].encode()
    yield b', "annotations": ['
    for count, track in enumerate(result.tracks):
        annotation = _build_annotation(request, result, track, categories)
        yield (b", " if count else b"") + json.dumps(annotation)[:-1].encode()
        for column, name in enumerate(TRACK_LISTS, start=1):
            yield f', "{name}": ['.encode()
            yield from _write_list(files[track.id], frames, column)
            yield b"]"
        yield b"}"
    yield b"]}\n"


def _build_header(
    request: TrackJob, result: TrackResult, frames: Sequence[int], categories: dict[str, int]
) -> dict[str, Any]:
    phrases = [_find_phrase(request, track) for track in result.tracks]
    return {
        "info": {"version": "v1", "description": "tracks of one video"},
        "videos": [
            {
                "id": 1,
                "file_names": [f"{frame:05d}.jpg" for frame in frames],
                "width": result.width,
                "height": result.height,
                "length": len(frames),
            }
        ],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "video_np_pairs": [
            {
                "id": number,
                "video_id": 1,
                "category_id": categories[phrase],
                "noun_phrase": phrase,
                "num_masklets": phrases.count(phrase),
            }
            for number, phrase in enumerate(dict.fromkeys(request.text), start=1)
        ],
    }


def _build_annotation(
    request: TrackJob, result: TrackResult, track: Track, categories: dict[str, int]
) -> dict[str, Any]:
    phrase = _find_phrase(request, track)
    return {
        "id": track.id,
        "video_id": 1,
        "category_id": categories[phrase or PROMPTED_CATEGORY],
        "noun_phrase": phrase,
        "iscrowd": 0,
        "score": track.mean_score,
        "width": result.width,
        "height": result.height,
    }


def _split_by_track(context: JobContext, masks: Sequence[Artefact], folder: Path) -> dict[int, Path]:
    """One file per track with a JSON line per frame: its number, RLE, xywh box and area."""
    files: dict[int, Path] = {}
    for frame in read_frames(context, masks):
        for item in frame.objects:
            path = files.setdefault(item.id, folder / f"{item.id}.jsonl")
            with path.open("a") as file:
                file.write(json.dumps([frame.frame, *_describe_mask(item)]) + "\n")
    return files


def _describe_mask(item: TrackedMask) -> tuple[Any, list[float], int]:
    x0, y0, x1, y1 = item.box
    area = coco.area({"size": item.rle["size"], "counts": item.rle["counts"].encode()})
    return item.rle, [x0, y0, x1 - x0, y1 - y0], int(area)


def _write_list(file: Path, frames: Sequence[int], column: int) -> Iterator[bytes]:
    """One column of a track's file as the items of a JSON list, null for frames without the track."""
    with file.open() as lines:
        row = json.loads(next(lines))
        for count, frame in enumerate(frames):
            value = None
            if row is not None and row[0] == frame:
                value, row = row[column], json.loads(next(lines, "null"))
            yield (", " if count else "").encode() + json.dumps(value).encode()


def _find_phrase(request: TrackJob, track: Track) -> str | None:
    return request.text[track.prompt.index] if track.prompt.kind == "text" else None
