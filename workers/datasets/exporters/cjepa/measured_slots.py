"""C-JEPA's pickle of slots, with what was measured of each object in place of the vectors of an encoder."""

import pickle
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.cjepa.slot_vectors import (
    WIDTH,
    encode_background,
    encode_object,
    locate_fields,
)
from workers.datasets.exporters.export_writer import SPLITS, ExportWriter
from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.exporters.shared.slots import choose_slots
from workers.datasets.scene_clip import SceneClip

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CJepaSlots(Exporter):
    """`slots.pkl`: `{split: {"<n>_pixels.mp4": f32 (T, S, 128)}}`, and `slots.json`, which lists the clips.

    No slot encoder has seen the images: a slot holds what was measured of an object, namely whether it is
    seen, its box (x0 y0 x1 y1 over the size of the frame), area, mean colour, a mask of 8 x 8 cells within
    the box, and its 3D box in camera axes where that is known (centre, first two axes, size; metres or units
    of the world). `slots.json` says which numbers are which, and the clip and the tracks of each key. Models
    trained on slots of VideoSAUR or SAVi cannot read these. Slots are identified in frame 0 and shuffled for
    each clip; slots without a track show the background.

    With `actions`, `actions.pkl` and `proprio.pkl` (the pose of the camera, 12 numbers) have the same keys;
    clips in which either is unknown are left out, and so is the last frame of every clip, because no action
    is known to follow it.
    """

    slots: Annotated[int, "slots per clip"] = 7
    seed: Annotated[int, "seed of the order of slots"] = 0
    actions: Annotated[bool, "also write `actions.pkl` and `proprio.pkl`"] = False

    name: ClassVar[str] = "cjepa-slots"
    summary: ClassVar[str] = "C-JEPA pickle of slots: measured states of objects, not an encoder's vectors"
    loses: ClassVar[tuple[str, ...]] = (
        "images: a slot is no vector of a slot encoder, and models trained on one cannot read it",
        "tracks that are not seen in frame 0, and of more than `slots` tracks the smaller ones",
        "masks, to 8 x 8 cells of their box; depth; captions",
        "cameras and actions, without `actions`",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        clips = list(writer.clips())
        action_space = ActionSpace.choose(clips) if self.actions else None
        names = ("slots", "actions", "proprio") if self.actions else ("slots",)
        pickles: dict[str, dict[str, dict[str, Floats]]] = {
            name: {split: {} for split in SPLITS} for name in names
        }
        listed: list[dict[str, Any]] = []
        for clip in clips:
            tracks = self._choose_tracks(writer, clip)
            if not tracks:
                continue
            arrays = self._build_arrays(clip, tracks, action_space)
            if arrays is None:
                writer.leave_out(clip, "its actions or its camera are not known in every frame")
                continue
            key, split = f"{len(listed)}_pixels.mp4", clip.row.split
            for name, array in arrays.items():
                pickles[name][split][key] = array
            listed.append({"key": key, "split": split, "clip": clip.id, "tracks": tracks})
        for name, content in pickles.items():
            writer.write(pickle.dumps(content, protocol=4), f"{name}.pkl")
        writer.write(encode_json({"fields": locate_fields(), "clips": listed}), "slots.json")

    def _choose_tracks(self, writer: ExportWriter, clip: SceneClip) -> list[int]:
        """The track of each slot; further slots are background."""
        order = choose_slots(clip, self.seed)
        areas: dict[int, int] = defaultdict(int)
        for row in clip.observations:
            areas[row.track] += row.area
        largest = set(sorted(order, key=lambda track: (-areas[track], track))[: self.slots])
        chosen = [track for track in order if track in largest]
        lost = sorted({track.track for track in clip.tracks} - set(chosen))
        if lost:
            writer.leave_out(clip, "no slot: not seen in frame 0, or too many", tracks=lost)
        return chosen

    def _build_arrays(
        self, clip: SceneClip, tracks: list[int], action_space: ActionSpace | None
    ) -> dict[str, Floats] | None:
        """The arrays of a clip by pickle; None when actions are wanted and one is unknown."""
        if not self.actions:
            return {"slots": self._encode_slots(clip, tracks)}
        known = None if action_space is None else _stack_actions(clip, action_space)
        if known is None:
            return None
        actions, poses = known
        return {"slots": self._encode_slots(clip, tracks)[:-1], "actions": actions, "proprio": poses}

    def _encode_slots(self, clip: SceneClip, tracks: list[int]) -> Floats:
        out = np.zeros((len(clip), self.slots, WIDTH), np.float32)
        for frame in range(len(clip)):
            image = np.asarray(clip.image(frame) / 255, np.float32)
            covered = np.zeros(clip.size, np.bool_)
            for row in clip.frame_observations(frame):
                mask = clip.mask(row)
                covered |= mask
                if row.track in tracks:
                    out[frame, tracks.index(row.track)] = encode_object(row, mask, image)
            out[frame, len(tracks) :] = encode_background(covered, image)
        return out


def _stack_actions(clip: SceneClip, action_space: ActionSpace) -> tuple[Floats, Floats] | None:
    """Actions (T - 1, A) and camera poses (T - 1, 12); None unless all are known."""
    actions = action_space.matrix(clip)[:-1]
    poses = [clip.world_from_cam(frame) for frame in range(len(clip) - 1)]
    if not len(actions) or not np.isfinite(actions).all():
        return None
    flat = [pose[:3].ravel() for pose in poses if pose is not None]
    return (actions, np.array(flat, np.float32)) if len(flat) == len(poses) else None
