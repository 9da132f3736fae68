"""What a track job writes besides its masks: an overlay film, id pictures, and YouTube-VIS JSON."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract import Artefact, TrackJob, TrackResult
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from workers.formats.images import shrink_image, shrunk_size
from workers.formats.overlay import overlay_masks
from workers.formats.video_writer import VideoWriter
from workers.jobs.context import JobContext
from workers.jobs.track.mask_reader import TrackedMask, read_chunks, read_frames

FILM_SIDE = 960
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
CLICKED = "object"


def write(context: JobContext, request: TrackJob, result: TrackResult) -> None:
    """Every output that the request asks for, one chunk of masks in memory at a time."""
    masks = [artefact for artefact in context.artefacts if artefact.role == "masks"]
    if "png" in request.outputs:
        _pictures(context, result, masks)
    if "ytvis" in request.outputs:
        context.progress("write", message="writing YouTube-VIS JSON")
        with tempfile.TemporaryDirectory(prefix="maquette-ytvis-") as folder:
            pieces = _ytvis(request, result, list(_timeline(context, masks)), _spread(context, masks, folder))
            context.save_chunks("ytvis.json", "annotations", "application/json", pieces)
    if "overlay" in request.outputs and masks:
        _film(context, request, result, masks)


def _film(context: JobContext, request: TrackJob, result: TrackResult, masks: Sequence[Artefact]) -> None:
    first = min(chunk.first_frame for chunk in result.chunks)
    video = context.media.open_video(request.video, start=first, limit=result.frames)
    labels = {track.id: track.label or "" for track in result.tracks}
    width, height = shrunk_size(video.width, video.height, FILM_SIDE)
    with closing(video.frames), VideoWriter(width, height, video.time_base) as film:
        for frame, line in zip(video.frames, read_frames(context, masks), strict=False):
            small = shrink_image(frame.pixels, FILM_SIDE)
            drawn = overlay_masks(
                small,
                [_scaled(item.mask, small.shape) for item in line.objects],
                [f"{item.id} {labels.get(item.id, '')}".strip() for item in line.objects],
                [item.id for item in line.objects],
            )
            film.add(drawn, frame.pts)
            context.progress("film", line.frame - first + 1, result.frames)
        context.save("overlay.mp4", "overlay", "video/mp4", film.finish())


def _scaled(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    size = shape[1], shape[0]
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _pictures(context: JobContext, result: TrackResult, masks: Sequence[Artefact]) -> None:
    """A ZIP for each chunk: a PNG for each frame whose pixels are track ids, 0 where there is none."""
    deep = max((track.id for track in result.tracks), default=0) > 255
    for number, lines in enumerate(read_chunks(context, masks)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for line in lines:
                ids = np.zeros((result.height, result.width), np.uint16 if deep else np.uint8)
                # where two overlap the smaller is seen, as the one in front would be
                for item in sorted(line.objects, key=lambda item: -int(item.mask.sum())):
                    ids[item.mask] = item.id
                png = io.BytesIO()
                Image.fromarray(ids).save(png, "PNG")
                archive.writestr(zipfile.ZipInfo(f"{line.frame:05d}.png", ZIP_TIME), png.getvalue())
        context.save(f"ids-{number:05d}.zip", "ids", "application/zip", out.getvalue())
        context.progress("write", number + 1, len(masks), "writing id pictures")


def _timeline(context: JobContext, masks: Sequence[Artefact]) -> Iterator[int]:
    for line in read_frames(context, masks):
        yield line.frame


def _spread(context: JobContext, masks: Sequence[Artefact], folder: str) -> dict[int, Path]:
    """One file of lines a track: RLE, xywh box and area of each frame that it is in."""
    files: dict[int, Path] = {}
    for line in read_frames(context, masks):
        for item in line.objects:
            files.setdefault(item.id, Path(folder) / f"{item.id}.jsonl")
            with files[item.id].open("a") as file:
                file.write(json.dumps([line.frame, *_entry(item)]) + "\n")
    return files


def _entry(item: TrackedMask) -> tuple[Any, list[float], int]:
    x0, y0, x1, y1 = item.box
    area = coco.area({"size": item.rle["size"], "counts": item.rle["counts"].encode()})
    return item.rle, [x0, y0, x1 - x0, y1 - y0], int(area)


def _ytvis(
    request: TrackJob, result: TrackResult, timeline: list[int], files: dict[int, Path]
) -> Iterator[bytes]:
    """YouTube-VIS JSON with SA-Co's noun phrases: phrases that were not found are pairs of 0 masklets.

    Lists have one entry for each frame that was followed, null where the object is not seen. What was clicked
    has the category "object" and no noun phrase.
    """
    names = [*dict.fromkeys([*request.text, *([CLICKED] if _clicked(result) else [])])]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    found = {track.id: _phrase(request, track) for track in result.tracks}
    video = {
        "id": 1,
        "file_names": [f"{frame:05d}.jpg" for frame in timeline],
        "width": result.width,
        "height": result.height,
        "length": len(timeline),
    }
    pairs = [
        {
            "id": number,
            "video_id": 1,
            "category_id": numbers[phrase],
            "noun_phrase": phrase,
            "num_masklets": sum(name == phrase for name in found.values()),
        }
        for number, phrase in enumerate(dict.fromkeys(request.text), start=1)
    ]
    head = {
        "info": {"version": "v1", "description": "tracks of one video"},
        "videos": [video],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "video_np_pairs": pairs,
    }
    yield json.dumps(head)[:-1].encode() + b', "annotations": ['
    for count, track in enumerate(result.tracks):
        phrase = found[track.id]
        about = {
            "id": track.id,
            "video_id": 1,
            "category_id": numbers[phrase or CLICKED],
            "noun_phrase": phrase,
            "iscrowd": 0,
            "score": track.mean_score,
            "width": result.width,
            "height": result.height,
        }
        yield (b", " if count else b"") + json.dumps(about)[:-1].encode()
        for place, name in enumerate(("segmentations", "bboxes", "areas"), start=1):
            yield f', "{name}": ['.encode()
            yield from _column(files[track.id], timeline, place)
            yield b"]"
        yield b"}"
    yield b"]}\n"


def _column(file: Path, timeline: list[int], place: int) -> Iterator[bytes]:
    with file.open() as lines:
        row = json.loads(next(lines))
        for count, frame in enumerate(timeline):
            value = None
            if row is not None and row[0] == frame:
                value, row = row[place], json.loads(next(lines, "null"))
            yield (", " if count else "").encode() + json.dumps(value).encode()


def _clicked(result: TrackResult) -> bool:
    return any(track.prompt.kind != "text" for track in result.tracks)


def _phrase(request: TrackJob, track: Any) -> str | None:
    return request.text[track.prompt.index] if track.prompt.kind == "text" else None
