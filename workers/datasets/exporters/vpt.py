"""VPT (Baker et al. 2022): an MP4 and a JSONL of the same stem, one line a frame."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, ExportWriter
from workers.datasets.exporters.flat_hdf5 import frame_seconds
from workers.datasets.exporters.image_transform import write_mp4
from workers.datasets.scene_clip import SceneClip

INPUTS = ("mouse", "key", "button", "hotbar", "gui")
REST = {"x": 0.0, "y": 0.0, "dx": 0.0, "dy": 0.0}


@dataclass(frozen=True)
class Vpt(Exporter):
    """`<split>/<clip>.mp4` and `<split>/<clip>.jsonl`.

    A line has `tick`, `milli` (of the source), `ego_motion` and `action`: names to values, null where
    unknown and on the last line. Recorded values called `mouse.*`, `key.*`, `button.*`, `hotbar` and `gui`
    are also given as VPT's `mouse`, `keyboard`, `hotbar` and `isGuiOpen`. Of a clip that has any of them,
    inputs without a column are given as at rest, for VPT's loader asks for all, and what comes after the
    last recorded action has no line, for it would take rest for an action. Without them these keys are
    absent, because nobody knows what was pressed, and that loader refuses the clip.
    """

    name: ClassVar[str] = "vpt"
    summary: ClassVar[str] = "VPT: MP4 with one JSON line of actions a frame"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "pixels, to H.264 (crf 17), and an odd last row or column",
        "inputs that a recording of the mouse or keyboard has no column for: given as at rest",
        "frames at uneven times: the video runs at the clip's mean rate, lines keep `milli`",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for clip in writer.clips():
            path = writer.path(clip.row.split, f"{clip.id}.mp4")
            pictures = (clip.image(frame) for frame in range(len(clip)))
            write_mp4(path, pictures, clip.row.frame_rate or 1.0)
            lines = "".join(json.dumps(line, allow_nan=False) + "\n" for line in build_lines(clip))
            writer.write(lines, clip.row.split, f"{clip.id}.jsonl")


def build_lines(clip: SceneClip) -> list[dict[str, Any]]:
    """One object a frame; where inputs were recorded, up to the last frame with one."""
    by_frame: dict[int, dict[str, dict[str, float]]] = defaultdict(dict)
    for row in clip.actions:
        by_frame[row.frame][row.kind] = dict(zip(row.names, row.values, strict=True))
    pressed = {
        frame: told["recorded"]
        for frame, told in by_frame.items()
        if any(name.partition(".")[0] in INPUTS for name in told.get("recorded", ()))
    }
    found: list[dict[str, Any]] = []
    held: set[int] = set()
    for frame, second in enumerate(frame_seconds(clip)[: max(pressed) + 1 if pressed else len(clip)]):
        line: dict[str, Any] = {
            "tick": frame,
            "milli": round(float(second) * 1000, 3),
            "action": by_frame[frame].get("recorded"),
            "ego_motion": by_frame[frame].get("ego_motion"),
        }
        if pressed:
            line |= _inputs(pressed.get(frame, {}), held)
            held = set(line["mouse"]["buttons"])
        found.append(line)
    return found


def _inputs(action: dict[str, float], held: set[int]) -> dict[str, Any]:
    """What VPT's recorder tells of a frame; `held` are the buttons that were down before."""
    parts: dict[str, dict[str, float]] = {group: {} for group in INPUTS}
    for name, value in action.items():
        group, _, rest = name.partition(".")
        if group in parts:
            parts[group][rest] = value
    buttons = sorted(int(name) for name, value in parts["button"].items() if value > 0.5)
    return {
        "mouse": {
            **REST,
            **parts["mouse"],
            "buttons": buttons,
            "newButtons": [button for button in buttons if button not in held],
        },
        "keyboard": {"keys": [f"key.keyboard.{n}" for n, value in parts["key"].items() if value > 0.5]},
        "hotbar": round(parts["hotbar"].get("", 0)),
        "isGuiOpen": parts["gui"].get("", 0) > 0.5,
    }
