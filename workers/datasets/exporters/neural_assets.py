"""Pairs of frames for Neural Assets (Wu et al. 2024, arXiv 2406.09292), and edits of their objects.

Tokens are those of the released preprocessing: appearance comes from 2D boxes in the source frame, poses are
four corners of the 3D box in the target camera, and the background is the last row.
"""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters import object_edits
from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name, index_tracks, to_json
from workers.datasets.exporters.image_transform import FitMode, ImageTransform
from workers.datasets.exporters.neural_assets_tokens import (
    NO_POSE,
    encode_background_pose,
    encode_box_2d,
    encode_box_3d,
)
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames of a clip, and the tracks that have an appearance in one and a pose in the other."""

    source: int
    target: int
    rows: tuple[tuple[ObservationRow, ObservationRow], ...]
    boxes: Floats


@dataclass(frozen=True)
class NeuralAssets(Exporter):
    """`<split>/<clip>-<source>-<target>.npz`, one a pair, and `index.json`.

    `side`: pixels of the square frames; `objects`: rows before the background's (10 in the paper's MOVi,
    23 for OBJect); `pairs`: how many of each clip; `max_gap`: the largest distance in frames, drawn evenly
    from 0; `edits`: also write edits of source frames, which have target tokens but no target picture.
    """

    side: int = 256
    objects: int = 10
    pairs: int = 8
    max_gap: int = 23
    edits: bool = True
    fit: FitMode = "crop"
    seed: int = 0

    name: ClassVar[str] = "neural-assets"
    summary: ClassVar[str] = "frame pairs with appearance boxes and encode_box_3d 3D boxes; object edits"
    loses: ClassVar[tuple[str, ...]] = (
        "masks: appearance is taken from boxes",
        "depth, actions and captions",
        "frames outside the square crop (fit=pad keeps them), and frames in no pair",
        "objects without a 3D box in the target frame or a mask in the source frame, and those behind the"
        " camera",
        "pictures of edits: an edit has target tokens, and nobody drew its target",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        index: list[dict[str, Any]] = []
        for clip in writer.clips():
            made = list(self._pairs(clip))
            if not made:
                writer.leave_out(clip, "no object has a mask and a 3D box in two frames")
            pictures: dict[int, NDArray[np.uint8]] = {}
            frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
            for pair in made:
                for number in (pair.source, pair.target):
                    if number not in pictures:
                        pictures[number] = frame.image(clip.image(number))
                arrays = self._arrays(clip, frame, pair)
                arrays["src_image"] = pictures[pair.source]
                arrays["tgt_image"] = pictures[pair.target]
                stem = f"{clip.id}-{pair.source:04d}-{pair.target:04d}"
                index.append(self._entry(writer, clip, pair, stem, arrays, None))
            if self.edits and made:
                index += self._edits(writer, clip, frame, made[0], pictures[made[0].source])
        writer.write(to_json({"side": self.side, "objects": self.objects, "pairs": index}), "index.json")

    def _pairs(self, clip: SceneClip) -> Iterator[FramePair]:
        rng = np.random.default_rng([self.seed, zlib.crc32(clip.id.encode())])
        frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
        seen: set[tuple[int, int]] = set()
        for _ in range(4 * self.pairs):
            gap = int(rng.integers(0, min(self.max_gap, len(clip) - 1) + 1))
            first = int(rng.integers(0, len(clip) - gap))
            ends = (first, first + gap) if rng.random() < 0.5 else (first + gap, first)
            if ends in seen:
                continue
            seen.add(ends)
            pair = self._pair(clip, frame, *ends)
            if pair.rows:
                yield pair
            if len(seen) == self.pairs:
                return

    def _pair(self, clip: SceneClip, frame: ImageTransform, source: int, target: int) -> FramePair:
        there = {row.track: row for row in clip.frame_observations(target)}
        k = frame.matrix @ clip.intrinsics(target)
        found = []
        for row in clip.frame_observations(source):
            other = there.get(row.track)
            if other is None or encode_box_3d(clip.corners(other), k, self.side) is None:
                continue
            box = encode_box_2d(frame.mask(clip.mask(row)))
            if box is not None:
                found.append((row.area, row, other, box))
        largest = sorted(found, key=lambda item: (-item[0], item[1].track))[: self.objects]
        largest.sort(key=lambda item: item[1].track)
        boxes = np.zeros((self.objects + 1, 4), np.float32)
        for number, item in enumerate(largest):
            boxes[number] = item[3]
        boxes[-1] = (0, 0, 1, 1)
        return FramePair(source, target, tuple((row, other) for _, row, other, _ in largest), boxes)

    def _arrays(self, clip: SceneClip, frame: ImageTransform, pair: FramePair) -> dict[str, NDArray[Any]]:
        k = frame.matrix @ clip.intrinsics(pair.target)
        boxes = np.zeros((self.objects + 1, 12), np.float32)
        for number, (_, row) in enumerate(pair.rows):
            boxes[number] = encode_box_3d(clip.corners(row), k, self.side)
        moved = encode_background_pose(clip.world_from_cam(pair.source), clip.world_from_cam(pair.target))
        if pair.source == pair.target:
            moved = encode_background_pose(np.eye(4), np.eye(4))
        boxes[-1] = NO_POSE if moved is None else moved
        return {
            "src_bboxes": pair.boxes,
            # stays when an edit takes another appearance: what is replaced must not show in the background
            "src_fg_bboxes": pair.boxes[:-1],
            "tgt_bboxes_3d": boxes,
            "camera": k.astype(np.float64),
            "tracks": np.array([row.track for row, _ in pair.rows], np.int64),
        }

    def _edits(
        self,
        writer: ExportWriter,
        clip: SceneClip,
        frame: ImageTransform,
        pair: FramePair,
        picture: NDArray[np.uint8],
    ) -> list[dict[str, Any]]:
        start = self._pair(clip, frame, pair.source, pair.source)
        if not start.rows:
            return []
        plain = self._arrays(clip, frame, start)
        plain["src_image"] = picture
        index = []
        for edit in object_edits.propose_edits(clip, [row for row, _ in start.rows]):
            arrays = {**plain, "src_bboxes": plain["src_bboxes"].copy()}
            arrays["tgt_bboxes_3d"] = plain["tgt_bboxes_3d"].copy()
            if edit.corners is not None:
                tokens = encode_box_3d(edit.corners, plain["camera"], self.side)
                if tokens is None:
                    continue
                arrays["tgt_bboxes_3d"][edit.row] = tokens
            if edit.appearance is not None:
                arrays["src_bboxes"][edit.row] = plain["src_bboxes"][edit.appearance]
            stem = f"{clip.id}-{pair.source:04d}-{edit.operation}"
            index.append(self._entry(writer, clip, start, stem, arrays, edit))
        return index

    def _entry(
        self,
        writer: ExportWriter,
        clip: SceneClip,
        pair: FramePair,
        stem: str,
        arrays: dict[str, NDArray[Any]],
        edit: object_edits.ObjectEdit | None,
    ) -> dict[str, Any]:
        data = io.BytesIO()
        np.savez(data, **arrays)  # type: ignore[arg-type]
        writer.write(data.getvalue(), clip.row.split, f"{stem}.npz")
        names = index_tracks(clip)
        return {
            "file": f"{clip.row.split}/{stem}.npz",
            "split": clip.row.split,
            "clip": clip.id,
            "source": pair.source,
            "target": pair.target,
            "camera_source": clip.row.camera_source,
            "background_known": bool(np.isfinite(arrays["tgt_bboxes_3d"][-1]).all()),
            "edit": None if edit is None else edit.as_json(),
            "objects": [
                {
                    "track": row.track,
                    "name": get_category_name(names[row.track]),
                    "box3d_source": row.box3d_source,
                    "box3d_confidence": row.box3d_confidence,
                    "scale_source": row.scale_source,
                    "flags": list(row.flags),
                }
                for _, row in pair.rows
            ],
        }
