"""Windows of frames with object slots, read straight from a dataset folder, in any order."""

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maquette.data import tensors
from maquette.data.clips import ClipArrays, ClipEntry, ClipImages, DatasetFolder, Observations
from maquette.data.errors import DataError
from maquette.data.masks import paint

FIELDS = ("pixels", "masks", "boxes", "boxes_3d", "cameras")
KNOWN = (*FIELDS, "depth")

Places = NDArray[np.int64]


class Windows:
    """Map-style: `windows[i]` is a window of `length` frames, `stride` frames apart, within one clip.

    A sample of T frames, S slots, and pictures of H x W:

    - `pixels` u8 (T, 3, H, W)
    - `masks` bool (T, S, H, W)
    - `boxes` f32 (T, S, 4): xyxy pixels, end-exclusive; 0 where not seen
    - `boxes_3d` f32 (T, S, 10): centre, rotation wxyz and size in OpenCV camera axes, NaN unknown
    - `intrinsics` f32 (T, 3, 3) in pixels, `world_from_cam` f32 (T, 4, 4), NaN unknown (field `cameras`)
    - `depth` f32 (T, H, W): z-depth, NaN unknown (not among the default fields)
    - `seen` bool (T, S), `tracks` i64 (S,), 0 is an empty slot
    - `actions` f32 (T, len(actions)): what leads to the next stored frame, NaN unknown
    - `clip`: its id, `frame`: where the window begins

    Slot k is one track. Slots are shuffled for each clip by `seed`, and stay within it. With `anchored`, only
    tracks seen in the window's first frame get a slot. More tracks than slots: the ones with the largest
    boxes over the window stay. `size` (height, width) stretches pictures, boxes and intrinsics; without it
    all clips must have one size to be batched.

    The boxes and cameras of `cached_clips` clips stay in memory (some ten kilobytes each), and the JPEG of
    `cached_pictures` clips.

    Raises DataError.
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
        as_tensors: bool | None = None,
    ) -> None:
        if unknown := sorted(set(fields) - set(KNOWN)):
            raise ValueError(f"no field {', '.join(unknown)}; known: {', '.join(KNOWN)}")
        if min(length, stride, step, slots) < 1:
            raise ValueError("length, stride, step and slots are at least 1")
        self._folder = DatasetFolder(folder)
        self._length, self._stride, self._slots, self._size = length, stride, slots, size
        self._fields, self._actions = frozenset(fields), tuple(actions)
        self._anchored, self._seed, self._as_tensors = anchored, seed, as_tensors
        self._clips: LruCache[ClipArrays] = LruCache(cached_clips)
        self._pictures: LruCache[ClipImages] = LruCache(cached_pictures)
        span = (length - 1) * stride + 1
        chosen = [entry for entry in self._folder.clips if split in (None, entry.split)]
        self._entries = [entry for entry in chosen if entry.frames >= span]
        counts = [(entry.frames - span) // step + 1 for entry in self._entries]
        self._ends, self._step = np.cumsum(counts), step
        if not self._entries:
            raise DataError("dataset_empty", f"none of {len(chosen)} clips has {span} frames")
        sizes = {(entry.height, entry.width) for entry in self._entries}
        if size is None and len(sizes) > 1:
            told = ", ".join(f"{h} x {w}" for h, w in sorted(sizes))
            raise DataError("sizes_differ", f"clips have several sizes ({told}): give one as size=(h, w)")

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        index %= len(self)
        place = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return self._window(self._entries[place], (index - before) * self._step)

    def __repr__(self) -> str:
        return f"<Windows {len(self)} of {self._length} frames, {len(self._entries)} clips>"

    def _window(self, entry: ClipEntry, first: int) -> dict[str, Any]:
        clip = self._clips.get(entry.clip, lambda: ClipArrays(self._folder, entry.clip))
        frames = first + self._stride * np.arange(self._length)
        size = self._size or (entry.height, entry.width)
        scale = np.array([size[1] / entry.width, size[0] / entry.height] * 2)
        rows, times, where, slots = self._chosen(entry, clip.observations, frames)
        tracks = np.zeros(self._slots, np.int64)
        tracks[: len(slots)] = slots
        seen = np.zeros((self._length, self._slots), np.bool_)
        seen[times, where] = True
        sample: dict[str, Any] = {"clip": entry.clip, "frame": first, "seen": seen, "tracks": tracks}
        if self._fields & {"pixels", "depth"}:
            sample |= self._views(entry, frames, size)
        if "masks" in self._fields:
            sample["masks"] = self._masks(entry, clip.observations, rows, times, where, size)
        if "boxes" in self._fields:
            boxes = np.zeros((*seen.shape, 4), np.float32)
            boxes[times, where] = clip.observations.boxes[rows] * scale
            sample["boxes"] = boxes
        if "boxes_3d" in self._fields:
            boxes_3d = np.full((*seen.shape, 10), np.nan, np.float32)
            boxes_3d[times, where] = clip.observations.boxes_3d[rows]
            sample["boxes_3d"] = boxes_3d
        if "cameras" in self._fields:
            focal, poses = clip.cameras
            sample["intrinsics"] = _intrinsics(focal[frames] * scale)
            sample["world_from_cam"] = poses[frames].astype(np.float32)
        if self._actions:
            sample["actions"] = self._acts(clip, frames)
        return tensors.to_tensors(sample, self._as_tensors)

    def _views(self, entry: ClipEntry, frames: NDArray[np.int64], size: tuple[int, int]) -> dict[str, Any]:
        depth = "depth" in self._fields
        stored = self._pictures.get(entry.clip, lambda: ClipImages(self._folder, entry.clip, depth=depth))
        made: dict[str, Any] = {}
        if "pixels" in self._fields:
            pixels = np.empty((self._length, 3, *size), np.uint8)
            for time, frame in enumerate(frames.tolist()):
                _picture(stored.jpeg(frame), pixels[time])
            made["pixels"] = pixels
        if depth:
            kept = [stored.depth(frame) for frame in frames.tolist()]
            made["depth"] = np.stack([_depth(png, unit, entry, size) for png, unit in kept])
        return made

    def _chosen(
        self, entry: ClipEntry, seen: Observations, frames: Places
    ) -> tuple[Places, Places, Places, list[int]]:
        """Observations that get a slot, the time and the slot of each, and the track of each slot."""
        time_of = np.full(entry.frames, -1)
        time_of[frames] = np.arange(len(frames))
        times = time_of[seen.frame]
        rows = np.flatnonzero(times >= 0)
        tracks, times = seen.track[rows], times[rows]
        wanted = set((tracks[times == 0] if self._anchored else tracks).tolist())
        rng = np.random.default_rng([self._seed, zlib.crc32(entry.clip.encode())])
        # of all tracks of the clip, so that a track keeps its place from window to window
        order = [track for track in rng.permutation(np.unique(seen.track)).tolist() if track in wanted]
        if len(order) > self._slots:
            areas = np.prod(seen.boxes[rows, 2:] - seen.boxes[rows, :2], axis=1)
            sums = {track: float(areas[tracks == track].sum()) for track in order}
            largest = set(sorted(order, key=lambda track: -sums[track])[: self._slots])
            order = [track for track in order if track in largest]
        slot_of = {track: slot for slot, track in enumerate(order)}
        where = np.array([slot_of.get(track, -1) for track in tracks.tolist()], np.int64)
        shown = where >= 0
        return rows[shown], times[shown], where[shown], order

    def _masks(
        self,
        entry: ClipEntry,
        seen: Observations,
        rows: Places,
        times: Places,
        slots: Places,
        size: tuple[int, int],
    ) -> NDArray[np.bool_]:
        out = np.zeros((self._length, self._slots, *size), np.bool_)
        stored = (entry.height, entry.width)
        if size == stored:
            paint((out[place] for place in zip(times, slots, strict=True)), seen.counts, rows.tolist())
            return out
        whole = np.zeros((len(rows), *stored), np.bool_)
        paint(whole, seen.counts, rows.tolist())
        out[times, slots] = whole[:, _nearest(entry.height, size[0])[:, None], _nearest(entry.width, size[1])]
        return out

    def _acts(self, clip: ClipArrays, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.full((len(frames), len(self._actions)), np.nan, np.float32)
        times = {int(frame): time for time, frame in enumerate(frames)}
        for frame, names, values in clip.actions:
            if frame in times:
                for name, value in zip(names, values, strict=True):
                    if name in self._actions:
                        out[times[frame], self._actions.index(name)] = value
        return out


T = TypeVar("T")


class LruCache(Generic[T]):
    """The values that were asked for last, `most` of them; workers start with none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[str, T] = {}

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key, made when it is not there."""
        found = self._values.pop(key, None)
        value = make() if found is None else found
        if self._most:
            # dicts keep the order of insertion: the first is the one not asked for the longest
            self._values[key] = value
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return LruCache, (self._most,)


def _picture(jpeg: bytes, out: NDArray[np.uint8]) -> None:
    """Decode a JPEG into `out` (3, H, W)."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        found = picture if picture.mode == "RGB" else picture.convert("RGB")
        size = out.shape[2], out.shape[1]
        if found.size != size:
            smaller = found.width > size[0] or found.height > size[1]
            found = found.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
        # Pillow takes channels apart faster than NumPy turns axes
        for channel, plane in enumerate(found.split()):
            out[channel] = np.asarray(plane)


def _depth(
    png: bytes | None, unit: float | None, entry: ClipEntry, size: tuple[int, int]
) -> NDArray[np.float32]:
    if png is None or unit is None:
        return np.full(size, np.nan, np.float32)
    with Image.open(io.BytesIO(png)) as picture:
        levels = np.asarray(picture).astype(np.float32)
    if size != levels.shape:
        # depths of two surfaces have no mean
        levels = levels[_nearest(entry.height, size[0])[:, None], _nearest(entry.width, size[1])]
    return np.where(levels > 0, levels * np.float32(unit), np.float32(np.nan))


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    """For each of the new pixels the old one that lies under its centre."""
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)


def _intrinsics(cameras: NDArray[np.float64]) -> NDArray[np.float32]:
    out = np.zeros((len(cameras), 3, 3), np.float32)
    out[:, 0, 0], out[:, 1, 1], out[:, 0, 2], out[:, 1, 2] = cameras.T
    out[:, 2, 2] = 1
    return out
