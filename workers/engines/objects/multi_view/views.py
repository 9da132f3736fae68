"""The views that show an object, checked; how well a surface agrees with their masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from maquette.contract import Problem
from numpy.typing import NDArray

from workers.engines.protocols import Mask, ObjectAsset, RequestRefused, Rgb, ViewsReport
from workers.geometry.borders import touches_border
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
# Two views leave most of the depth open. Chosen, not measured.
MIN_VIEWS = 3
# A smaller mask, in pixels, counts as a view that does not show the object. Chosen, not measured.
MIN_MASK_PIXELS = 64
# Views that the mean IoU is measured on, evenly spread: all of them would cost as much as the hull.
MEASURED_VIEWS = 8


class SingleViewReconstructor(Protocol):
    """Reconstructs the object from one view."""

    def __call__(
        self, image: Rgb, mask: Mask, *, camera: Camera, depth: NDArray[np.float32] | None = None
    ) -> ObjectAsset:
        """`depth` (H, W) is z in the world's unit where other views determine it, NaN elsewhere."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedViews:
    """The views that show the object; `indices` are their places among the `given` ones.

    `truncated` counts the masks that touch the border of their image.
    """

    images: list[Rgb]
    masks: list[Mask]
    cameras: list[PosedCamera]
    indices: list[int]
    given: int
    truncated: int

    def __len__(self) -> int:
        return len(self.cameras)

    def centres(self) -> Array:
        """The cameras' centres (N, 3) in the world."""
        return np.stack([camera.centre() for camera in self.cameras])

    def subset(self, chosen: Sequence[int]) -> "MaskedViews":
        """The views at these places among this object's views."""
        masks = [self.masks[k] for k in chosen]
        return MaskedViews(
            images=[self.images[k] for k in chosen],
            masks=masks,
            cameras=[self.cameras[k] for k in chosen],
            indices=[self.indices[k] for k in chosen],
            given=self.given,
            truncated=sum(touches_border(mask) for mask in masks),
        )

    def report(
        self,
        arc: float,
        visible: NDArray[np.bool_],
        *,
        refined_gain_db: float | None,
        carved_gain_db: float | None = None,
    ) -> ViewsReport:
        """The result's report: the arc in degrees and which vertices (V,) some view sees."""
        return ViewsReport(
            arc_degrees=round(arc, 1),
            given=self.given,
            used=len(self),
            cut=self.truncated,
            seen_share=round(float(visible.mean()), 4),
            reference=self.indices[0],
            refined_gain_db=refined_gain_db,
            carved_gain_db=carved_gain_db,
        )


def select_views(frames: Sequence[Rgb], masks: Sequence[Mask], cameras: Sequence[PosedCamera]) -> MaskedViews:
    """The views whose masks have at least `MIN_MASK_PIXELS` pixels.

    Raises ValueError for numbers or shapes that do not match, and RequestRefused `too_few_views`.
    """
    if not len(frames) == len(masks) == len(cameras):
        raise ValueError(
            f"frames, masks and cameras must be as many: {len(frames)}, {len(masks)}, {len(cameras)}"
        )
    for number, (frame, mask, view) in enumerate(zip(frames, masks, cameras, strict=True)):
        size = (view.camera.height, view.camera.width)
        if frame.shape[:2] != size or mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"view {number}: frame, bool mask and camera must have one size, {size}")
    indices = [number for number, mask in enumerate(masks) if int(mask.sum()) >= MIN_MASK_PIXELS]
    if len(indices) < MIN_VIEWS:
        raise RequestRefused(
            Problem.from_code(
                "too_few_views",
                422,
                f"{len(indices)} views show the object, at least {MIN_VIEWS} are needed",
            )
        )
    everything = MaskedViews(
        images=list(frames),
        masks=list(masks),
        cameras=list(cameras),
        indices=list(range(len(frames))),
        given=len(frames),
        truncated=0,
    )
    return everything.subset(indices)


def mean_silhouette_iou(points: Array, faces: NDArray[np.int64], views: MaskedViews) -> float:
    """Mean IoU of a mesh's silhouettes with the masks, over up to `MEASURED_VIEWS` views.

    `points` (V, 3) are world vertices, `faces` (F, 3).
    """
    chosen = np.unique(np.linspace(0, len(views) - 1, MEASURED_VIEWS).round().astype(np.int64))
    overlaps = []
    for k in chosen:
        view = views.cameras[k]
        rendered = silhouette(view.cam_from_world.apply(points), faces, view.camera)
        overlaps.append(mask_iou(rendered, views.masks[k]))
    return float(np.mean(overlaps))
