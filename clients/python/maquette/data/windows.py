"""Windows of frames with object slots, read straight from a dataset folder, in any order."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data import tensors
from maquette.data.annotations import Annotations, ClipViews, find_vector_width
from maquette.data.clips import ClipArrays, ClipEntry, ClipImages, DatasetFolder
from maquette.data.errors import DataError, LeftOutWarning, format_left_out
from maquette.data.images import Size, decode_depth, decode_jpeg, nearest_indices
from maquette.data.lru_cache import LruCache
from maquette.data.masks import paint
from maquette.data.slots import Indices, SlotAssignment, assign_slots

FIELDS = ("pixels", "masks", "boxes", "boxes_3d", "cameras")
ALL_FIELDS = (*FIELDS, "depth", "labels", "captions", "crops", "vectors")
# the axes of an array over which it is known or not
KNOWN_AXES = {"boxes_3d": -1, "world_from_cam": (-2, -1), "actions": -1}


class Windows:
    """Map-style: `windows[i]` is a window of `length` frames, `stride` frames apart, within one clip.

    A sample of T frames, S slots, and images of H x W:

    - `pixels` u8 (T, 3, H, W)
    - `masks` bool (T, S, H, W)
    - `boxes` f32 (T, S, 4): xyxy in pixels, end-exclusive; 0 where not seen
    - `boxes_3d` f32 (T, S, 10): centre, rotation wxyz and size in OpenCV camera axes, NaN unknown
    - `intrinsics` f32 (T, 3, 3) in pixels, `world_from_cam` f32 (T, 4, 4), NaN unknown (field `cameras`)
    - `seen` bool (T, S), `tracks` i64 (S,), 0 is an empty slot
    - `actions` f32 (T, len(actions)): those that lead to the next stored frame, NaN unknown
    - `boxes_3d_known` bool (T, S), `world_from_cam_known` bool (T,), `actions_known` bool (T,)
    - `clip`: its id, `frame`: the first frame of the window

    Fields that are not among the default ones:

    - `depth` f32 (T, H, W): z-depth, NaN unknown
    - `labels`: the name of each of S slots, `label_ids` i64 (S,) its place in `windows.labels`; an empty slot
      has "" and -1
    - `caption` of the clip and `track_captions` of S slots, "" without one (field `captions`)
    - `crops` u8 (S, 3, crop_size, crop_size): the best view of each track, and `crops_known` bool (S,)
    - `vectors` f32 (S, D), NaN unknown, and `vectors_known` bool (S,)

    `unknown` is written in place of NaN: with 0 and the masks, a loss is finite.

    A slot holds one track. Slots are shuffled for each clip by `seed`, and keep their order within it. With
    `anchored`, only tracks that are seen in the first frame of the window get a slot. When there are more
    tracks than slots, those with the largest boxes over the window get them. Windows begin every `step`
    frames. `size` (height, width) stretches images, boxes and intrinsics; without it all clips must have one
    size.

    The boxes and cameras of `cached_clips` clips stay in memory (some ten kilobytes each), and the JPEG of
    `cached_pictures` clips. `as_tensors`: torch tensors (True), NumPy arrays (False), or tensors if torch is
    installed (None).

    Clips that are too short for a window are left out, with a warning; `left_out` counts them.

    Raises DataError, and ValueError for an argument.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        length: int = 4,
        stride: int = 1,
        step: int = 1,
        slots: int = 8,
        split: str | None = None,
        fields: Sequence[str] = FIELDS,
        actions: Sequence[str] = (),
        size: tuple[int, int] | None = None,
        anchored: bool = True,
        seed: int = 0,
        cached_clips: int = 1024,
        cached_pictures: int = 16,
        crop_size: int = 128,
        unknown: float = math.nan,
        as_tensors: bool | None = None,
    ) -> None:
        if strange := sorted(set(fields) - set(ALL_FIELDS)):
            raise ValueError(f"no field {', '.join(strange)}; known: {', '.join(ALL_FIELDS)}")
        if min(length, stride, step, slots) < 1:
            raise ValueError("length, stride, step and slots must be at least 1")
        self._folder = DatasetFolder(folder)
        self._length, self._stride, self._slots, self._size = length, stride, slots, size
        self._fields, self._actions = frozenset(fields), tuple(actions)
        self._anchored, self._seed, self._as_tensors = anchored, seed, as_tensors
        self._crop_size, self._fill = crop_size, unknown
        self._annotations = Annotations(self._folder)
        self._vector_width = find_vector_width(self._folder) if "vectors" in fields else 0
        self._views: LruCache[ClipViews] = LruCache(cached_pictures)
        self._clips: LruCache[ClipArrays] = LruCache(cached_clips)
        self._images: LruCache[ClipImages] = LruCache(cached_pictures)
        span = (length - 1) * stride + 1
        candidates = [entry for entry in self._folder.clips if split in (None, entry.split)]
        self._entries = [entry for entry in candidates if entry.frames >= span]
        too_short = len(candidates) - len(self._entries)
        self.left_out = {f"clips with fewer than {span} frames": too_short} if too_short else {}
        if not self._entries:
            raise DataError("dataset_empty", f"none of {len(candidates)} clips has {span} frames")
        if too_short:
            text = f"{len(self._entries)} of {len(candidates)} clips of {folder} are used; left out: "
            warnings.warn(LeftOutWarning(text + format_left_out(self.left_out)), stacklevel=2)
        if size is None:
            _check_one_size(self._entries)
        # windows of a clip, summed up to and including it
        self._ends = np.cumsum([(entry.frames - span) // step + 1 for entry in self._entries])
        self._step = step

    @property
    def labels(self) -> list[str]:
        """All labels of the dataset, in the order of `label_ids`."""
        return self._annotations.names

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        index %= len(self)
        place = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        sample = self._read_window(self._entries[place], (index - before) * self._step)
        return tensors.to_tensors(sample, self._as_tensors)

    def __repr__(self) -> str:
        counted = format_left_out(self.left_out)
        used = f"<Windows {len(self)} of {self._length} frames, {len(self._entries)} clips"
        return f"{used}{f', left out: {counted}' if counted else ''}>"

    def _read_window(self, entry: ClipEntry, first: int) -> dict[str, Any]:
        clip = self._clips.get(entry.clip, lambda: ClipArrays(self._folder, entry.clip))
        frames = first + self._stride * np.arange(self._length)
        size = self._size or (entry.height, entry.width)
        assigned = assign_slots(
            entry,
            clip.observations,
            frames,
            slots=self._slots,
            anchored=self._anchored,
            seed=self._seed,
        )
        tracks = np.zeros(self._slots, np.int64)
        tracks[: len(assigned.tracks)] = assigned.tracks
        seen = np.zeros((self._length, self._slots), np.bool_)
        seen[assigned.times, assigned.slots] = True
        sample: dict[str, Any] = {"clip": entry.clip, "frame": first, "seen": seen, "tracks": tracks}
        sample |= self._read_images(entry, frames, size)
        sample |= self._read_objects(entry, clip, assigned, size)
        if "cameras" in self._fields:
            intrinsics, poses = clip.cameras
            sample["intrinsics"] = _build_intrinsics(intrinsics[frames] * _scale_xyxy(entry, size))
            sample["world_from_cam"] = poses[frames].astype(np.float32)
        if self._actions:
            sample["actions"] = self._read_actions(clip, frames)
        sample |= self._read_annotations(entry.clip, tracks.tolist())
        return self._mark_unknown(sample)

    def _read_annotations(self, clip: str, tracks: list[int]) -> dict[str, Any]:
        """The fields `labels`, `captions`, `crops` and `vectors`; the track of an empty slot is 0."""
        sample: dict[str, Any] = {}
        if "labels" in self._fields:
            by_track = self._annotations.labels_by_clip.get(clip, {})
            sample["labels"] = [by_track.get(track, "") for track in tracks]
            places = {name: place for place, name in enumerate(self.labels)}
            sample["label_ids"] = np.array([places.get(name, -1) for name in sample["labels"]], np.int64)
        if "captions" in self._fields:
            captions = self._annotations.captions_by_clip.get(clip, {})
            sample["caption"] = captions.get(None, "")
            sample["track_captions"] = [captions.get(track, "") for track in tracks]
        if {"crops", "vectors"} & self._fields:
            views = self._views.get(clip, lambda: ClipViews(self._folder, clip))
            if "crops" in self._fields:
                sample["crops"], sample["crops_known"] = views.read_crops(tracks, self._crop_size)
            if "vectors" in self._fields:
                sample["vectors"], sample["vectors_known"] = views.read_vectors(tracks, self._vector_width)
        return sample

    def _mark_unknown(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Add what is known of each array, and write `unknown` for NaN."""
        for name, axes in KNOWN_AXES.items():
            if name in sample:
                sample[f"{name}_known"] = np.isfinite(sample[name]).all(axis=axes)
        if not math.isnan(self._fill):
            for value in sample.values():
                if isinstance(value, np.ndarray) and value.dtype == np.float32:
                    value[np.isnan(value)] = self._fill
        return sample

    def _read_images(self, entry: ClipEntry, frames: Indices, size: Size) -> dict[str, Any]:
        """The fields `pixels` and `depth`."""
        wants_depth = "depth" in self._fields
        if not wants_depth and "pixels" not in self._fields:
            return {}
        stored = self._images.get(entry.clip, lambda: ClipImages(self._folder, entry.clip, depth=wants_depth))
        sample: dict[str, Any] = {}
        if "pixels" in self._fields:
            pixels = np.empty((self._length, 3, *size), np.uint8)
            for time, frame in enumerate(frames.tolist()):
                decode_jpeg(stored.jpeg(frame), pixels[time])
            sample["pixels"] = pixels
        if wants_depth:
            maps = [decode_depth(*stored.depth(frame), size) for frame in frames.tolist()]
            sample["depth"] = np.stack(maps)
        return sample

    def _read_objects(
        self, entry: ClipEntry, clip: ClipArrays, assigned: SlotAssignment, size: Size
    ) -> dict[str, Any]:
        """The fields `masks`, `boxes` and `boxes_3d`."""
        shape = (self._length, self._slots)
        where = assigned.times, assigned.slots
        sample: dict[str, Any] = {}
        if "masks" in self._fields:
            sample["masks"] = self._read_masks(entry, clip, assigned, size)
        if "boxes" in self._fields:
            boxes = np.zeros((*shape, 4), np.float32)
            boxes[where] = clip.observations.boxes[assigned.rows] * _scale_xyxy(entry, size)
            sample["boxes"] = boxes
        if "boxes_3d" in self._fields:
            boxes_3d = np.full((*shape, 10), np.nan, np.float32)
            boxes_3d[where] = clip.observations.boxes_3d[assigned.rows]
            sample["boxes_3d"] = boxes_3d
        return sample

    def _read_masks(
        self, entry: ClipEntry, clip: ClipArrays, assigned: SlotAssignment, size: Size
    ) -> NDArray[np.bool_]:
        counts, rows = clip.observations.counts, assigned.rows.tolist()
        out = np.zeros((self._length, self._slots, *size), np.bool_)
        stored_size = (entry.height, entry.width)
        if size == stored_size:
            paint((out[where] for where in zip(assigned.times, assigned.slots, strict=True)), counts, rows)
            return out
        stored = np.zeros((len(rows), *stored_size), np.bool_)
        paint(stored, counts, rows)
        y, x = nearest_indices(entry.height, size[0]), nearest_indices(entry.width, size[1])
        out[assigned.times, assigned.slots] = stored[:, y[:, None], x]
        return out

    def _read_actions(self, clip: ClipArrays, frames: Indices) -> NDArray[np.float32]:
        out = np.full((len(frames), len(self._actions)), np.nan, np.float32)
        times = {int(frame): time for time, frame in enumerate(frames)}
        for frame, names, values in clip.actions:
            if frame not in times:
                continue
            for name, value in zip(names, values, strict=True):
                if name in self._actions:
                    out[times[frame], self._actions.index(name)] = value
        return out


def _check_one_size(entries: Sequence[ClipEntry]) -> None:
    sizes = {(entry.height, entry.width) for entry in entries}
    if len(sizes) > 1:
        listed = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise DataError("sizes_differ", f"clips have several sizes ({listed}): choose one as size=(h, w)")


def _scale_xyxy(entry: ClipEntry, size: Size) -> NDArray[np.float64]:
    """Factors (4,) of x, y, x, y from the stored frame to the sample."""
    return np.array([size[1] / entry.width, size[0] / entry.height] * 2)


def _build_intrinsics(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """fx fy cx cy (T, 4) as matrices (T, 3, 3)."""
    out = np.zeros((len(values), 3, 3), np.float32)
    out[:, 0, 0], out[:, 1, 1], out[:, 0, 2], out[:, 1, 2] = values.T
    out[:, 2, 2] = 1
    return out
