"""VPT (Baker et al. 2022): an MP4 and a JSONL of the same stem, one line a frame."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, Run
from workers.datasets.exporters.flat_hdf5 import seconds
from workers.datasets.exporters.pictures import write_mp4
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class Vpt(Exporter):
    """`<split>/<clip>.mp4` and `<split>/<clip>.jsonl`.

    A line has `tick`, `milli` (of the source), `ego_motion` and `action`: names to values, null where
    unknown and on the last line. Recorded values called `mouse.*`, `key.*` and `button.*` are also given as
    VPT's `mouse` and `keyboard`; without them these keys are absent, because nobody knows what was pressed.
    """

    name: ClassVar[str] = "vpt"
    summary: ClassVar[str] = "VPT: MP4 with one JSON line of actions a frame"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "pixels, to H.264 (crf 17), and an odd last row or column",
        "frames at uneven times: the video runs at the clip's mean rate, lines keep `milli`",
    )

    def export(self, run: Run) -> None:
        """Write the files of the format."""
        for clip in run.clips():
            path = run.path(clip.row.split, f"{clip.id}.mp4")
            pictures = (clip.image(frame) for frame in range(len(clip)))
            write_mp4(path, pictures, clip.row.frame_rate or 1.0)
            lines = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines_of(clip))
            run.write(lines, clip.row.split, f"{clip.id}.jsonl")


def lines_of(clip: SceneClip) -> list[dict[str, Any]]:
    """One object a frame."""
    by_frame: dict[int, dict[str, dict[str, float]]] = defaultdict(dict)
    for row in clip.actions:
        by_frame[row.frame][row.kind] = dict(zip(row.names, row.values, strict=True))
    found = []
    for frame, second in enumerate(seconds(clip)):
        action = by_frame[frame].get("recorded")
        found.append(
            {
                "tick": frame,
                "milli": round(float(second) * 1000, 3),
                "action": action,
                "ego_motion": by_frame[frame].get("ego_motion"),
                **(_pressed(action) if action else {}),
            }
        )
    return found


def _pressed(action: dict[str, float]) -> dict[str, Any]:
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for name, value in action.items():
        group, _, rest = name.partition(".")
        parts[group][rest] = value
    told: dict[str, Any] = {}
    if "mouse" in parts or "button" in parts:
        buttons = [int(name) for name, value in parts["button"].items() if value > 0.5]
        told["mouse"] = {**parts["mouse"], "buttons": buttons}
    if "key" in parts:
        told["keyboard"] = {"keys": [f"key.keyboard.{n}" for n, value in parts["key"].items() if value > 0.5]}
    return told
