"""VPT (Baker et al. 2022): an MP4 and a JSONL with the same stem, one line per frame."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.mp4 import encode_mp4
from workers.datasets.scene_clip import SceneClip

# first parts of the names of recorded actions that VPT knows
INPUT_GROUPS = ("mouse", "key", "button", "hotbar", "gui")
MOUSE_AT_REST = {"x": 0.0, "y": 0.0, "dx": 0.0, "dy": 0.0}

Values = dict[str, float]


@dataclass(frozen=True)
class Vpt(Exporter):
    """`<split>/<clip>.mp4` and `<split>/<clip>.jsonl`.

    A line has `tick`, `milli` (of the source), `ego_motion` and `action`: names to values, null where unknown
    and on the last line. Ego-motion is in camera axes, in units of the world and radians.

    Recorded values called `mouse.*`, `key.*`, `button.*`, `hotbar` and `gui` are also given as VPT's `mouse`,
    `keyboard`, `hotbar` and `isGuiOpen`. VPT's loader needs all four in every line: in a clip that has any of
    these values, inputs without a column are written as at rest, and frames after the last recorded action
    have no line, because the loader would take rest for an action. A clip without such values has none of the
    four keys, because its inputs are unknown; the loader rejects it.
    """

    name: ClassVar[str] = "vpt"
    summary: ClassVar[str] = "VPT: MP4 with one JSON line of actions per frame"
    loses: ClassVar[tuple[str, ...]] = (
        "tracks, masks, boxes, cameras, depth and captions",
        "pixels, to H.264 (crf 17), and an odd last row or column",
        "inputs that a recording of the mouse or keyboard has no column for: given as at rest",
        "frames at uneven times: the video runs at the clip's mean rate, lines keep `milli`",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        writer.write_parts(_build_files)


def _build_files(clip: SceneClip) -> Part:
    """The two files of a clip."""
    stem = f"{clip.row.split}/{clip.id}"
    lines = "".join(json.dumps(line, allow_nan=False) + "\n" for line in build_lines(clip))
    video = encode_mp4(clip.images(), clip.row.frame_rate or 1.0)
    return {f"{stem}.mp4": video, f"{stem}.jsonl": lines.encode()}


def build_lines(clip: SceneClip) -> list[dict[str, Any]]:
    """One object per frame; where inputs were recorded, up to the last frame with one."""
    actions = _index_actions(clip)
    inputs = {
        frame: kinds["recorded"]
        for frame, kinds in actions.items()
        if any(name.partition(".")[0] in INPUT_GROUPS for name in kinds.get("recorded", ()))
    }
    count = max(inputs) + 1 if inputs else len(clip)
    lines: list[dict[str, Any]] = []
    held: set[int] = set()
    for frame, seconds in enumerate(clip.timestamps()[:count]):
        line: dict[str, Any] = {
            "tick": frame,
            "milli": round(float(seconds) * 1000, 3),
            "action": actions[frame].get("recorded"),
            "ego_motion": actions[frame].get("ego_motion"),
        }
        if inputs:
            line |= _describe_inputs(inputs.get(frame, {}), held)
            held = set(line["mouse"]["buttons"])
        lines.append(line)
    return lines


def _index_actions(clip: SceneClip) -> dict[int, dict[str, Values]]:
    """Actions by frame and kind, as names to values."""
    actions: dict[int, dict[str, Values]] = defaultdict(dict)
    for row in clip.actions:
        actions[row.frame][row.kind] = dict(zip(row.names, row.values, strict=True))
    return actions


def _describe_inputs(action: Values, held: set[int]) -> dict[str, Any]:
    """A frame as VPT's recorder writes it; `held` are the buttons that were down in the frame before."""
    groups: dict[str, Values] = {group: {} for group in INPUT_GROUPS}
    for name, value in action.items():
        group, _, rest = name.partition(".")
        if group in groups:
            groups[group][rest] = value
    buttons = sorted(int(name) for name, value in groups["button"].items() if value > 0.5)
    return {
        "mouse": {
            **MOUSE_AT_REST,
            **groups["mouse"],
            "buttons": buttons,
            "newButtons": [button for button in buttons if button not in held],
        },
        "keyboard": {"keys": [f"key.keyboard.{n}" for n, value in groups["key"].items() if value > 0.5]},
        "hotbar": round(groups["hotbar"].get("", 0)),
        "isGuiOpen": groups["gui"].get("", 0) > 0.5,
    }
