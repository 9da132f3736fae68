"""C-JEPA's pickle of slots, with what was measured of each object in place of an encoder's vectors."""

import pickle
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.action_space import ActionSpace
from workers.datasets.exporters.base import SPLITS, Exporter, ExportWriter, to_json
from workers.datasets.exporters.cjepa import choose_slots
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

WIDTH = 128
# cells of the coarse mask along each side of the box
CELLS = 8
# what a slot's numbers are, in their order; the rest is 0
FIELDS: dict[str, int] = {
    "seen": 1,
    "background": 1,
    "box": 4,
    "area": 1,
    "color": 3,
    "mask": CELLS * CELLS,
    "box_3d_known": 1,
    "center": 3,
    "axes": 6,
    "size": 3,
}
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CJepaSlots(Exporter):
    """`slots.pkl`: `{split: {"<n>_pixels.mp4": f32 (T, S, 128)}}`, and `slots.json`, which tells n's clips.

    A slot holds what was measured: whether it is seen, box (x0 y0 x1 y1 over the frame), area, mean colour,
    a mask of 8 x 8 cells within the box, and the 3D box in camera axes where it is known (centre, first two
    axes, size; metres or units of the world). `slots.json` has the place of each. Frame 0 tells slots apart;
    they are shuffled for each clip. What is left of the S slots shows the background. With `actions`,
    `actions.pkl` and `proprio.pkl` (the camera's pose, 12 numbers) have the same keys, clips without them are
    left out, and so is the last frame, after which nobody knows what was done.
    """

    slots: int = 7
    seed: int = 0
    actions: bool = False

    name: ClassVar[str] = "cjepa-slots"
    summary: ClassVar[str] = "C-JEPA pickle of slots: measured states of objects, not an encoder's vectors"
    loses: ClassVar[tuple[str, ...]] = (
        "pictures: a slot is no vector of a slot encoder, and models trained on one cannot read it",
        "tracks that are not seen in frame 0, and of more than `slots` tracks the smaller ones",
        "masks, to 8 x 8 cells of their box; depth; captions",
        "cameras and actions, without `actions`",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        clips = list(writer.clips())
        acting = ActionSpace.choose(clips) if self.actions else None
        found: dict[str, dict[str, dict[str, Floats]]] = {
            name: {split: {} for split in SPLITS} for name in ("slots", "actions", "proprio")
        }
        told: list[dict[str, Any]] = []
        for clip in clips:
            tracks = self._tracks(writer, clip)
            if not tracks:
                continue
            count = len(clip)
            known = None if acting is None else _acts(clip, acting)
            if self.actions:
                if known is None:
                    writer.leave_out(clip, "its actions or its camera are not known in every frame")
                    continue
                count -= 1
            key, split = f"{len(told)}_pixels.mp4", clip.row.split
            found["slots"][split][key] = self._vectors(clip, tracks)[:count]
            if known is not None:
                found["actions"][split][key], found["proprio"][split][key] = known
            told.append({"key": key, "split": split, "clip": clip.id, "tracks": tracks})
        for name in ("slots", "actions", "proprio") if self.actions else ("slots",):
            writer.write(pickle.dumps(found[name], protocol=4), f"{name}.pkl")
        writer.write(to_json({"fields": _places(), "clips": told}), "slots.json")

    def _tracks(self, writer: ExportWriter, clip: SceneClip) -> list[int]:
        """The track of each slot; those that are left over are background."""
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

    def _vectors(self, clip: SceneClip, tracks: list[int]) -> Floats:
        out = np.zeros((len(clip), self.slots, WIDTH), np.float32)
        for frame in range(len(clip)):
            picture = np.asarray(clip.image(frame) / 255, np.float32)
            covered = np.zeros(clip.size, np.bool_)
            for row in clip.frame_observations(frame):
                mask = clip.mask(row)
                covered |= mask
                if row.track in tracks:
                    out[frame, tracks.index(row.track)] = _state(row, mask, picture)
            rest = picture[~covered] if not covered.all() else picture.reshape(-1, 3)
            behind = _packed(
                seen=[1.0],
                background=[1.0],
                box=[0.0, 0.0, 1.0, 1.0],
                area=[float(1 - covered.mean())],
                color=rest.mean(axis=0),
                mask=_cells(~covered),
            )
            out[frame, len(tracks) :] = behind
        return out


def _state(row: ObservationRow, mask: NDArray[np.bool_], picture: Floats) -> Floats:
    height, width = mask.shape
    x0, y0, x1, y1 = int(row.x0), int(row.y0), int(row.x1), int(row.y1)
    solid: dict[str, Any] = {}
    if row.center_cam is not None and row.rotation_cam is not None and row.size is not None:
        axes = matrix_from_quaternion(row.rotation_cam)[:, :2].T.ravel()
        solid = {"box_3d_known": [1.0], "center": row.center_cam, "axes": axes, "size": row.size}
    return _packed(
        seen=[1.0],
        box=np.array([row.x0, row.y0, row.x1, row.y1]) / (width, height, width, height),
        area=[row.area / (width * height)],
        color=picture[mask].mean(axis=0),
        mask=_cells(mask[y0:y1, x0:x1]),
        **solid,
    )


def _cells(mask: NDArray[np.bool_]) -> Floats:
    """The share of each of 8 x 8 cells that a mask covers, row by row."""
    # every pixel is cut into 8 x 8, so that cells of any size have whole parts of it
    fine = mask.repeat(CELLS, axis=0).repeat(CELLS, axis=1).astype(np.float32)
    height, width = mask.shape
    return np.asarray(fine.reshape(CELLS, height, CELLS, width).mean(axis=(1, 3)).ravel(), np.float32)


def _places() -> dict[str, list[int]]:
    """Where each field begins and ends."""
    ends = np.cumsum(list(FIELDS.values())).tolist()
    return {name: [end - size, end] for (name, size), end in zip(FIELDS.items(), ends, strict=True)}


def _packed(**values: Any) -> Floats:
    out = np.zeros(WIDTH, np.float32)
    places = _places()
    for name, value in values.items():
        first, last = places[name]
        out[first:last] = value
    return out


def _acts(clip: SceneClip, acting: ActionSpace) -> tuple[Floats, Floats] | None:
    """Actions (T - 1, A) and camera poses (T - 1, 12); None unless all are known."""
    actions = acting.matrix(clip)[:-1]
    poses = [clip.world_from_cam(frame) for frame in range(len(clip) - 1)]
    if not len(actions) or not np.isfinite(actions).all():
        return None
    flat = [pose[:3].ravel() for pose in poses if pose is not None]
    return (actions, np.array(flat, np.float32)) if len(flat) == len(poses) else None
