"""An engine's part of a clip by itself: a worker with a GPU follows, workers without one do the rest."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from media.sandbox import DecodedFrame
from workers.datasets.ports import TrackMaker
from workers.datasets.settings import TRACK_SIZE, Settings
from workers.datasets.source import Source, Tracks
from workers.datasets.stages.scaling import fitted, resized
from workers.datasets.stages.shots import ClipPlan
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import EngineInfo, FrameResult, Rgb, TrackedInstance
from workers.formats.rle import decode_mask, encode_mask


def follow(
    maker: TrackMaker,
    source: Source,
    plan: ClipPlan,
    settings: Settings,
    frames: Iterable[DecodedFrame],
    clock: Stopwatch,
) -> bytes:
    """What the engine finds in the kept frames of a clip, for `Followed`."""
    size = fitted(source.width, source.height, max(settings.size, TRACK_SIZE))
    tracks = maker.tracks(source, plan)
    found: list[FrameResult] = []
    for local, frame in enumerate(frames):
        with clock("pictures"):
            picture = resized(frame.pixels, size)
        with clock("engine"):
            found += tracks.step(frame.index, local, frame.pts, picture)
    with clock("engine"):
        found += tracks.finish()
    return _encode(found)


class Followed:
    """Tells again what an engine found, as that engine."""

    def __init__(self, info: EngineInfo, data: bytes) -> None:
        self.info = info
        self._results = _decode(data)

    def tracks(self, source: Source, plan: ClipPlan) -> Tracks:
        """The results of the clip, each with its frame."""
        return _Told(self._results)


class _Told:
    def __init__(self, results: Sequence[FrameResult]) -> None:
        self._results = {result.index: result for result in results}

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        result = self._results.get(frame)
        return () if result is None else (result,)

    def finish(self) -> Sequence[FrameResult]:
        return ()


def plain(result: FrameResult) -> FrameResult:
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


def _encode(results: Sequence[FrameResult]) -> bytes:
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


def _decode(data: bytes) -> list[FrameResult]:
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
