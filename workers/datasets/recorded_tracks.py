"""An engine's part of a clip by itself: a worker with a GPU follows, workers without one do the rest."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from media.sandbox import DecodedFrame
from workers.datasets.images import fit_size, resize_area
from workers.datasets.protocols import TrackSource
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import ClipTracker, Source
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import EngineInfo, FrameResult, Rgb, TrackedInstance
from workers.formats.rle import decode_mask, encode_mask


def record_tracks(
    track_source: TrackSource,
    source: Source,
    plan: ClipPlan,
    settings: DatasetSettings,
    frames: Iterable[DecodedFrame],
    clock: Stopwatch,
) -> bytes:
    """What the engine finds in the kept frames of a clip, for `Followed`."""
    size = fit_size(source.width, source.height, max(settings.size, TRACK_SIZE))
    tracks = track_source.tracks(source, plan)
    found: list[FrameResult] = []
    for local, frame in enumerate(frames):
        with clock("pictures"):
            picture = resize_area(frame.pixels, size)
        with clock("engine"):
            found += tracks.step(frame.index, local, frame.pts, picture)
    with clock("engine"):
        found += tracks.finish()
    return _encode_results(found)


class RecordedTracks:
    """Tells again what an engine found, as that engine."""

    def __init__(self, info: EngineInfo, data: bytes) -> None:
        self.info = info
        self._results = _decode_results(data)

    def tracks(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """The results of the clip, each with its frame."""
        return ReplayTracker(self._results)


class ReplayTracker:
    def __init__(self, results: Sequence[FrameResult]) -> None:
        self._results = {result.index: result for result in results}

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        result = self._results.get(frame)
        return () if result is None else (result,)

    def finish(self) -> Sequence[FrameResult]:
        return ()


def to_builtin(result: FrameResult) -> FrameResult:
    """The same with Python's own numbers, which are written and read without a change."""
    objects = (
        replace(
            item,
            id=int(item.id),
            box=(float(item.box[0]), float(item.box[1]), float(item.box[2]), float(item.box[3])),
            score=float(item.score),
        )
        for item in result.objects
    )
    return replace(result, objects=tuple(objects))


def _encode_results(results: Sequence[FrameResult]) -> bytes:
    content = [
        {
            "index": result.index,
            "pts": result.pts,
            "objects": [
                {
                    "id": item.id,
                    "mask": encode_mask(item.mask),
                    "box": item.box,
                    "score": item.score,
                    "prompt": item.prompt,
                    "label": item.label,
                    "flags": item.flags,
                }
                for item in result.objects
            ],
        }
        for result in results
    ]
    return json.dumps(content, separators=(",", ":")).encode()


def _decode_results(data: bytes) -> list[FrameResult]:
    return [
        FrameResult(
            line["index"],
            line["pts"],
            tuple(
                TrackedInstance(
                    item["id"],
                    decode_mask(item["mask"]),
                    (item["box"][0], item["box"][1], item["box"][2], item["box"][3]),
                    item["score"],
                    item["prompt"],
                    item["label"],
                    tuple(item["flags"]),
                )
                for item in line["objects"]
            ),
        )
        for line in json.loads(data)
    ]
