"""The exporter of Neural Assets."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.neural_assets.edits import ObjectEdit, propose_edits
from workers.datasets.exporters.neural_assets.pairs import FramePair, PairSampler
from workers.datasets.exporters.neural_assets.tokens import (
    UNKNOWN_POSE,
    encode_background_pose,
    encode_box_3d,
)
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks
from workers.datasets.exporters.shared.encoding import encode_npz
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform, Rgb
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class NeuralAssets(Exporter):
    """`<split>/<clip>-<source>-<target>.npz`, one per pair of frames, and `index.json`.

    The arrays of a file:

    - `src_image`, `tgt_image` u8 (S, S, 3): divide by 255
    - `src_bboxes` f32 (N + 1, 4): y0 x0 y1 x1 of the source mask over S, end-exclusive; last row 0 0 1 1
    - `tgt_bboxes_3d` f32 (N + 1, 12): the corners p0 p1 p2 p4 of product((-, +), repeat=3) over x y z, each
      as u and v over S and z-depth in the target camera; the last row has R (row by row) and t of
      `inv(c2w_tgt) · c2w_src` in Blender's camera axes
    - `src_fg_bboxes` f32 (N, 4): the boxes to fill with 0.5 for `src_bg_image`
    - `camera` f64 (3, 3): intrinsics of the square target image in pixels
    - `tracks` i64 (n,): the track of each row

    Rows that are not used are 0. A camera whose motion is unknown gives NaN in the last row, and
    `background_known: false` in the index; objects whose pose is a guess say so there (`box3d_source: prior`,
    `box3d_confidence`). The gap between two frames is uniform between 0 and `max_gap`, in both directions.

    Edits move, rotate, resize or replace the largest object of a source frame. They have target tokens and no
    target image. The index says what was done: `x` metres (or units) along camera x, `degrees` about the axis
    of the box that is nearest to the camera's vertical, `factor`, or `by_track`.
    """

    side: Annotated[int, "pixels of the square images"] = 256
    objects: Annotated[
        int, "rows of objects per pair, N (10 in the paper's MOVi experiments, 23 for OBJect)"
    ] = 10
    pairs: Annotated[int, "pairs per clip"] = 8
    max_gap: Annotated[int, "largest distance between the two frames"] = 23
    edits: Annotated[bool, "also write edits"] = True
    fit: FitOption = "crop"
    seed: Annotated[int, "seed of the choice of pairs"] = 0

    name: ClassVar[str] = "neural-assets"
    summary: ClassVar[str] = "frame pairs with appearance boxes and projected 3D boxes; object edits"
    loses: ClassVar[tuple[str, ...]] = (
        "masks: appearance is taken from boxes",
        "depth, actions and captions",
        "frames outside the square crop (fit=pad keeps them), and frames in no pair",
        "objects without a 3D box in the target frame or a mask in the source frame, and those behind the"
        " camera",
        "images of edits: an edit has target tokens, and nobody drew its target",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        with writer.spool() as pairs:
            for clip, entries in writer.merge_parts(self._build_part, writer.all_clips()):
                if not entries:
                    writer.leave_out(clip, "no object has a mask and a 3D box in two frames")
                for entry in entries or ():
                    pairs.add(entry)
            index = {"side": self.side, "objects": self.objects, "pairs": pairs}
            writer.write_json(index, "index.json")

    def _build_part(self, clip: SceneClip) -> Part:
        """The files of the pairs of a clip and of its edits, and in the notes their entries of the index."""
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        sampler = PairSampler(clip=clip, transform=transform, objects=self.objects, max_gap=self.max_gap)
        pairs = list(sampler.sample(self.pairs, self.seed))
        if not pairs:
            return {}
        part = _PairPart(clip)
        frames = sorted({frame for pair in pairs for frame in (pair.source, pair.target)})
        images = {frame: transform.transform_image(clip.image(frame)) for frame in frames}
        for pair in pairs:
            arrays = self._build_arrays(clip, transform, pair)
            arrays["src_image"] = images[pair.source]
            arrays["tgt_image"] = images[pair.target]
            part.add(pair, f"{clip.id}-{pair.source:04d}-{pair.target:04d}", arrays)
        if self.edits:
            self._add_edits(part, sampler, pairs[0].source, images[pairs[0].source])
        return part.finish()

    def _build_arrays(self, clip: SceneClip, transform: ImageTransform, pair: FramePair) -> Arrays:
        """The arrays of a pair, but for its images."""
        intrinsics = transform.matrix @ clip.intrinsics(pair.target)
        boxes_3d = np.zeros((self.objects + 1, 12), np.float32)
        for number, (_, row) in enumerate(pair.observations):
            boxes_3d[number] = encode_box_3d(clip.corners(row), intrinsics, self.side)
        motion = encode_background_pose(clip.world_from_cam(pair.source), clip.world_from_cam(pair.target))
        if pair.source == pair.target:
            # known even where the camera is not
            motion = encode_background_pose(np.eye(4), np.eye(4))
        boxes_3d[-1] = UNKNOWN_POSE if motion is None else motion
        return {
            "src_bboxes": pair.boxes,
            # an edit that takes another appearance keeps these: what it replaces must not show behind it
            "src_fg_bboxes": pair.boxes[:-1],
            "tgt_bboxes_3d": boxes_3d,
            "camera": intrinsics.astype(np.float64),
            "tracks": np.array([row.track for row, _ in pair.observations], np.int64),
        }

    def _add_edits(self, part: "_PairPart", sampler: PairSampler, frame: int, image: Rgb) -> None:
        """Add the edits of a frame."""
        clip = sampler.clip
        pair = sampler.build(frame, frame)
        if not pair.observations:
            return
        unedited = self._build_arrays(clip, sampler.transform, pair)
        unedited["src_image"] = image
        for edit in propose_edits([row for row, _ in pair.observations]):
            arrays = self._apply_edit(unedited, edit)
            if arrays is not None:
                part.add(pair, f"{clip.id}-{frame:04d}-{edit.operation}", arrays, edit)

    def _apply_edit(self, arrays: Arrays, edit: ObjectEdit) -> Arrays | None:
        """The arrays after an edit; None when it moves the object behind the camera."""
        boxes, boxes_3d = arrays["src_bboxes"].copy(), arrays["tgt_bboxes_3d"].copy()
        if edit.corners is not None:
            tokens = encode_box_3d(edit.corners, arrays["camera"], self.side)
            if tokens is None:
                return None
            boxes_3d[edit.row] = tokens
        if edit.appearance is not None:
            boxes[edit.row] = arrays["src_bboxes"][edit.appearance]
        return {**arrays, "src_bboxes": boxes, "tgt_bboxes_3d": boxes_3d}


@dataclass(frozen=True, slots=True)
class _PairPart:
    """The files of a clip by their paths, and their entries of the index."""

    clip: SceneClip
    files: dict[str, bytes] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def add(self, pair: FramePair, stem: str, arrays: Arrays, edit: ObjectEdit | None = None) -> None:
        """Add the arrays of a pair or an edit."""
        row = self.clip.row
        path = f"{row.split}/{stem}.npz"
        self.files[path] = encode_npz(arrays, compressed=False)
        self.entries.append(
            {
                "file": path,
                "split": row.split,
                "clip": row.clip,
                "source": pair.source,
                "target": pair.target,
                "camera_source": row.camera_source,
                "background_known": bool(np.isfinite(arrays["tgt_bboxes_3d"][-1]).all()),
                "edit": None if edit is None else edit.as_json(),
                "objects": _describe_objects(self.clip, [target for _, target in pair.observations]),
            }
        )

    def finish(self) -> Part:
        """The files with the entries as notes."""
        return {**self.files, NOTES: encode_notes(self.entries)}


def _describe_objects(clip: SceneClip, rows: list[ObservationRow]) -> list[dict[str, Any]]:
    tracks = index_tracks(clip)
    return [
        {
            "track": row.track,
            "name": get_category_name(tracks[row.track]),
            "box3d_source": row.box3d_source,
            "box3d_confidence": row.box3d_confidence,
            "scale_source": row.scale_source,
            "flags": list(row.flags),
        }
        for row in rows
    ]
