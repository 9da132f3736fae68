"""C-JEPA's pickle of slots, with what was measured of each object in place of the vectors of an encoder."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.cjepa.normalisation import Normalisation, SlotStatistics
from workers.datasets.exporters.cjepa.slot_vectors import (
    LOCATIONS,
    WIDTH,
    advance,
    encode_background,
    encode_object,
    hold,
)
from workers.datasets.exporters.export_writer import SPLITS, ExportWriter
from workers.datasets.exporters.option_limits import SEEDS, Range
from workers.datasets.exporters.shared.action_space import ActionKindOption, ActionSpace, fill_unknown
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.exporters.shared.slots import choose_slots
from workers.datasets.exporters.shared.streamed_pickle import write_pickle
from workers.datasets.scene_clip import SceneClip

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CJepaSlots(Exporter):
    """`slots.pkl`: `{split: {"<n>_pixels.mp4": f32 (T, S, 128)}}`, `seen.pkl` with bool (T, S) under the same
    keys, and `slots.json`, which lists the clips.

    No slot encoder has seen the images: a slot holds what was measured of an object. That is whether it is
    seen, and for how many frames it has not been; the centroid of its mask, its move since the frame before,
    its box (x0 y0 x1 y1) and area, over the size of the frame; its mean colour; colours of 3 x 4 and mask of
    8 x 8 cells about the centroid; and its 3D box in camera axes where that is known (centre, first two axes,
    size; metres or units of the world). An object that is not seen keeps what was measured last. Models
    trained on slots of VideoSAUR or SAVi cannot read these. Slots are identified in frame 0 and shuffled for
    each clip; those without a track show vertical strips of the background, each its own.

    Numbers are normalised by `mean` and `scale` of `slots.json`, which are those of the training split: a
    mean variance of 1, most of it where an object is, so that what moves is not hidden by what does not.
    Then they are rotated by the Hadamard matrix, so that no number is always the same: `slots @ hadamard(128)
    / sqrt(128) * scale + mean` are the measured ones, and `fields` says which they are. Unknown ones are at
    their mean.

    With `actions`, `actions.pkl` and `proprio.pkl` (the pose of the camera, 12 numbers) have the same keys;
    clips in which either is unknown are left out. No action is known to follow the last frame: it is 0 there,
    where `actions_known.pkl` is False. The loader makes windows of (`history_size` + `num_preds`) *
    `frameskip` frames (24 for PushT), and takes none of shorter clips.
    """

    slots: Annotated[int, "slots per clip", Range(1, 64)] = 7
    seed: Annotated[int, "seed of the order of slots", SEEDS] = 0
    actions: Annotated[bool, "also write `actions.pkl` and `proprio.pkl`"] = False
    kind: ActionKindOption = "auto"

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
        space = ActionSpace.choose(writer.clips(), self.kind) if self.actions else None
        with writer.scratch() as folder:
            spool = _Spool(folder)
            for clip, part in writer.build_parts(partial(self._build_part, space), writer.all_clips()):
                lost, tracks = (np.asarray(part[name]).tolist() for name in ("lost", "tracks"))
                if not tracks:
                    writer.leave_out(clip, "no track is seen in frame 0")
                    continue
                if lost:
                    writer.leave_out(clip, "no slot: not seen in frame 0, or too many", tracks=lost)
                arrays = {name: np.asarray(part[name]) for name in part if name not in ("lost", "tracks")}
                if arrays:
                    spool.add(clip, tracks, arrays)
                else:
                    absent = None if space is None else space.explain_absence(clip)
                    unknown = "its actions or its camera are not known in every frame"
                    writer.leave_out(clip, absent or unknown)
            normalisation = spool.compute_normalisation()
            for name in spool.names:
                groups = {split: spool.read(name, split, normalisation) for split in SPLITS}
                write_pickle(writer.new_file(f"{name}.pkl"), groups)
        document = {
            "fields": {name: [place.start, place.stop] for name, place in LOCATIONS.items()},
            "mean": normalisation.mean.tolist(),
            "scale": normalisation.scale.tolist(),
            "rotation": f"hadamard({WIDTH}) / sqrt({WIDTH})",
            "clips": spool.entries,
        }
        writer.write(encode_json(document), "slots.json")

    def _build_part(self, space: ActionSpace | None, clip: SceneClip) -> Arrays:
        """The arrays of a clip by pickle, the tracks of its slots, and those that are lost."""
        tracks = self._choose_tracks(clip)
        lost = sorted({track.track for track in clip.tracks} - set(tracks))
        arrays = self._build_arrays(clip, tracks, space) if tracks else None
        return {"tracks": np.array(tracks, np.int64), "lost": np.array(lost, np.int64), **(arrays or {})}

    def _choose_tracks(self, clip: SceneClip) -> list[int]:
        """The track of each slot; further slots are background."""
        order = choose_slots(clip, self.seed)
        areas: dict[int, int] = defaultdict(int)
        for row in clip.observations:
            areas[row.track] += row.area
        largest = set(sorted(order, key=lambda track: (-areas[track], track))[: self.slots])
        return [track for track in order if track in largest]

    def _build_arrays(self, clip: SceneClip, tracks: list[int], space: ActionSpace | None) -> Arrays | None:
        """The arrays of a clip by pickle; None when actions are wanted and one is unknown."""
        known: Arrays = {}
        if self.actions:
            stacked = None if space is None else _stack_actions(clip, space)
            if stacked is None:
                return None
            known = stacked
        slots = self._encode_slots(clip, tracks)
        return {"slots": slots, "seen": slots[..., LOCATIONS["seen"]][..., 0] > 0, **known}

    def _encode_slots(self, clip: SceneClip, tracks: list[int]) -> Floats:
        """Measured slots (T, S, 128), NaN where unknown."""
        out = np.zeros((len(clip), self.slots, WIDTH), np.float32)
        parts = self.slots - len(tracks)
        for frame in range(len(clip)):
            image = np.asarray(clip.image(frame) / 255, np.float32)
            masks = clip.masks(frame)
            rows = {row.track: row for row in clip.frame_observations(frame)}
            covered = np.any([*masks.values(), np.zeros(clip.size, np.bool_)], axis=0)
            for slot in range(self.slots):
                if slot >= len(tracks):
                    current = encode_background(covered, image, slot - len(tracks), parts)
                elif tracks[slot] in rows:
                    row = rows[tracks[slot]]
                    current = encode_object(row, masks[row.track], image)
                else:
                    out[frame, slot] = hold(out[frame - 1, slot])
                    continue
                out[frame, slot] = advance(current, out[frame - 1, slot] if frame else None)
        return out


@dataclass
class _Spool:
    """The arrays of the clips as files, because their normalisation is known when all have been measured."""

    folder: Path
    entries: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: ["slots", "seen"])
    _statistics: dict[bool, SlotStatistics] = field(
        default_factory=lambda: {is_train: SlotStatistics() for is_train in (True, False)}
    )

    def add(self, clip: SceneClip, tracks: list[int], arrays: Arrays) -> None:
        """Store the arrays of a clip."""
        key, split = f"{len(self.entries)}_pixels.mp4", clip.row.split
        self._statistics[split == "train"].add(arrays["slots"])
        self.names = list(arrays)
        for name, array in arrays.items():
            np.save(self._locate(name, key), array)
        self.entries.append({"key": key, "split": split, "clip": clip.id, "tracks": tracks})

    def compute_normalisation(self) -> Normalisation:
        """That of the training split; of the others where it has no clip."""
        has_train = any(entry["split"] == "train" for entry in self.entries)
        return self._statistics[has_train].compute()

    def read(self, name: str, split: str, normalisation: Normalisation) -> Iterator[tuple[str, NDArray[Any]]]:
        """Keys and arrays of a pickle, of one split."""
        for entry in self.entries:
            if entry["split"] == split:
                array = np.load(self._locate(name, entry["key"]))
                yield entry["key"], normalisation.apply(array) if name == "slots" else array

    def _locate(self, name: str, key: str) -> Path:
        return self.folder / f"{name}-{key}.npy"


def _stack_actions(clip: SceneClip, action_space: ActionSpace) -> Arrays | None:
    """Actions (T, A), whether they are known (T,), and camera poses (T, 12).

    None unless all are known but the action of the last frame.
    """
    actions, known = fill_unknown(action_space.matrix(clip))
    poses = [pose for frame in range(len(clip)) if (pose := clip.world_from_cam(frame)) is not None]
    if len(clip) < 2 or not known[:-1].all() or len(poses) != len(clip):
        return None
    proprio = np.array([pose[:3].ravel() for pose in poses], np.float32)
    return {"actions": actions, "proprio": proprio, "actions_known": known}
