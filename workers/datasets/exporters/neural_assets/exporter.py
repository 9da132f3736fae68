"""The exporter of Neural Assets."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.neural_assets.change_pairs import add_change_pairs
from workers.datasets.exporters.neural_assets.edits import ObjectEdit, propose_edits
from workers.datasets.exporters.neural_assets.entries import Arrays, PairPart, build_arrays
from workers.datasets.exporters.neural_assets.pairs import PairSampler
from workers.datasets.exporters.neural_assets.tokens import encode_box_3d
from workers.datasets.exporters.option_limits import SEEDS, SIDES, Range
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform, Rgb
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip


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

    The pairs of frames in the table `changes` follow, each with its rows in `changes` of its entry (null for
    other pairs). Where a scene was rendered a second time with one object moved, turned or resized, the pair
    is an edit with a target image, what the edit should look like, and `rendered` is true; it is false for
    the edits above.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 256
    objects: Annotated[
        int, "rows of objects per pair, N (10 in the paper's MOVi experiments, 23 for OBJect)", Range(1, 1000)
    ] = 10
    pairs: Annotated[int, "pairs per clip", Range(1, 10_000)] = 8
    max_gap: Annotated[int, "largest distance between the two frames", Range(0, 1_000_000)] = 23
    edits: Annotated[bool, "also write edits"] = True
    changes: Annotated[bool, "also write the pairs of the table changes, where the dataset has it"] = True
    fit: FitOption = "crop"
    seed: Annotated[int, "seed of the choice of pairs", SEEDS] = 0

    name: ClassVar[str] = "neural-assets"
    summary: ClassVar[str] = "frame pairs with appearance boxes and projected 3D boxes; object edits"
    loses: ClassVar[tuple[str, ...]] = (
        "masks: appearance is taken from boxes",
        "depth, actions and captions",
        "frames outside the square crop (fit=pad keeps them), and frames in no pair",
        "objects without a 3D box in the target frame or a mask in the source frame, and those behind the"
        " camera",
        "images of edits of real scenes: they have target tokens, and nobody rendered their targets",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        build = partial(self._build_part, writer.dataset)
        with writer.spool() as pairs:
            for clip, entries in writer.merge_parts(build, writer.all_clips()):
                if not entries:
                    writer.leave_out(clip, "no object has a mask and a 3D box in two frames")
                for entry in entries or ():
                    pairs.add(entry)
            writer.write_json({"side": self.side, "objects": self.objects, "pairs": pairs}, "index.json")

    def _build_part(self, dataset: Dataset, clip: SceneClip) -> Part:
        """The pairs of a clip, its edits and its changes; nothing without a pair."""
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        sampler = PairSampler(clip=clip, transform=transform, objects=self.objects, max_gap=self.max_gap)
        pairs = list(sampler.sample(self.pairs, self.seed))
        if not pairs:
            return {}
        part = PairPart(clip)
        frames = sorted({frame for pair in pairs for frame in (pair.source, pair.target)})
        images = {frame: transform.transform_image(clip.image(frame)) for frame in frames}
        for pair in pairs:
            arrays = build_arrays(sampler, pair)
            arrays["src_image"] = images[pair.source]
            arrays["tgt_image"] = images[pair.target]
            part.add(pair, f"{clip.id}-{pair.source:04d}-{pair.target:04d}", arrays)
        if self.edits:
            self._add_edits(part, sampler, pairs[0].source, images[pairs[0].source])
        if self.changes:
            add_change_pairs(part, sampler, dataset)
        return part.finish()

    def _add_edits(self, part: PairPart, sampler: PairSampler, frame: int, image: Rgb) -> None:
        """Add the edits of a frame."""
        pair = sampler.build(frame, frame)
        if not pair.observations:
            return
        unedited = build_arrays(sampler, pair)
        unedited["src_image"] = image
        for edit in propose_edits([row for row, _ in pair.observations]):
            arrays = self._apply_edit(unedited, edit)
            if arrays is not None:
                part.add(pair, f"{sampler.clip.id}-{frame:04d}-{edit.operation}", arrays, edit)

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
