"""A dataset of fifty drawn videos with the default engine, and what it knows of them against what was drawn.

    python -m bench run datasets.fifty_videos [--clips 50] [--frames 24] [--text ball] [--out FOLDER]

Clips of tests.support.movi_clips in H.264 files of 256 x 256 at 12 a second; the camera of every second one
moves. The
pipeline is told nothing but the phrases, and takes the files by the sandboxed decoder. With --out the dataset
stays: look at its contact.png and report.html.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.datasets.throughput import source_of
from media.sandbox import Sandbox
from tests.support.movi_clips import RenderedClip, render_clip
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import load_engines
from workers.geometry.overlap import mask_iou

RATE = 12
# a track is of the drawn thing that it covers best, from this mask IoU on
SAME = 0.5


def filmed(clip: RenderedClip, path: Path) -> Path:
    """A drawn clip as an H.264 file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *clip.frames.shape[1:3], "yuv420p"
        for picture in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def covered(clip: SceneClip, track: int, drawn: RenderedClip) -> str | None:
    """The drawn solid that a track's masks cover best, None when they cover none with a mean IoU of SAME."""
    sums = np.zeros(len(drawn.labels))
    seen = list(clip.track_observations(track))
    for row in seen:
        ids = drawn.ids[clip.frames[row.frame].source_frame]
        sums += [mask_iou(clip.mask(row), ids == number + 1) for number in range(len(sums))]
    means = sums / max(len(seen), 1)
    return drawn.labels[int(means.argmax())] if means.max() >= SAME else None


def figures(
    data: Dataset, clips: Sequence[RenderedClip], sources: Sequence[Source], moving: int
) -> dict[str, Any]:
    """What the dataset says, counted against what was drawn; every `moving`-th camera moves."""
    of_source = {source.sha256: number for number, source in enumerate(sources)}
    labels: Counter[str] = Counter()
    solids: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    still = {"still_of_still": 0, "still_of_moving": 0}
    kept = boxes = 0
    for clip in data.clips():
        number = of_source[clip.source.source]
        moves = number % moving == moving - 1
        still["still_of_moving" if moves else "still_of_still"] += clip.row.camera_source == "static"
        labels.update(track.label or "" for track in clip.all_tracks)
        failed.update(row.gate for row in clip.decisions if row.track is not None and not row.passed)
        kept += len(clip.tracks)
        boxes += sum(row.center_cam is not None for row in clip.observations)
        solids.update(covered(clip, track.track, clips[number]) or "nothing" for track in clip.tracks)
    drawn = Counter(label for clip in clips for label in clip.labels)
    return {
        "clips_drawn": len(clips),
        "frames_drawn": sum(len(clip.frames) for clip in clips),
        "clips_kept": len(data),
        "failed_clip_gates": dict(
            Counter(row.gate for row in data.rows("decisions") if row.track is None and not row.passed)
        ),
        "cameras_that_stand_still": len(clips) - len(clips) // moving,
        **still,
        "tracks": dict(labels),
        "tracks_kept": kept,
        "kept_tracks_cover": dict(solids.most_common()),
        "drawn": dict(drawn.most_common()),
        "failed_track_gates": dict(failed),
        "observations_with_3d_box": boxes,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--first", type=int, default=100, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--text", action="append", help="phrases; default: ball")
    parser.add_argument("--out", type=Path, help="keep the dataset here")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    clips = [
        render_clip(options.first + number, frames=options.frames, moving_camera=float(number % 2))
        for number in range(options.clips)
    ]
    settings = DatasetSettings(
        phrases=tuple(options.text or ["ball"]),
        clip_seconds=options.frames / RATE,
        min_clip_seconds=1.0,
        trim_seconds=0.0,
    )
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        sources = [
            # the file's hash would do; a name tells whoever reads the report which seed it was
            replace(source_of(sandbox, filmed(clip, folder / f"{number}.mp4")), sha256=f"{number + 1:064x}")
            for number, clip in enumerate(clips)
        ]
        out = options.out or folder / "dataset"
        track_source = EngineTracks(load_engines("default").concepts(), settings)
        build_dataset(sources, Components(track_source), settings, folder / "work", out)
        told = figures(Dataset(out), clips, sources, 2)
    print(json.dumps(told, indent=1))
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
