"""An object made from one view of several: scaled until all outlines fit, its splat refined on all views.

It has the right outline in the view it was made from, and a distance that one view cannot tell. Scaling it
about that camera's centre keeps the outline there; the other views tell how much.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view import visual_hull as hull
from workers.engines.objects.multi_view.vertex_colors import colour
from workers.engines.objects.multi_view.views import OneView, Taken, agreement, taken_of
from workers.engines.objects.splats.view_refinement import STEPS, refined
from workers.engines.protocols import Mask, ObjectAsset, Rgb, ViewsReport
from workers.formats.decimation import decimate
from workers.geometry.borders import touches_border
from workers.geometry.meshes import Mesh
from workers.geometry.posed import PosedCamera, arc_degrees, upward
from workers.geometry.poses import Similarity

FEW_FACES, SMALL_SIDE = 4000, 256
WIDEST, TRIES, ROUNDS = 2.0, 17, 3
# what is told of one view's camera and place, and said anew for all views
OF_ONE_VIEW = frozenset({"scale_not_metric", "low_iou", "truncated", "camera_assumed", "camera_estimated"})


def from_views(
    frames: Sequence[Rgb],
    masks: Sequence[Mask],
    cameras: Sequence[PosedCamera],
    one_view: OneView,
    *,
    seed: int,
    metric: bool,
    low_iou: float,
    trust: float = 1.0,
    refine_steps: int = STEPS,
) -> ObjectAsset:
    """The object that `one_view` makes of the best view, where all views have it.

    See `MultiViewEngine.reconstruct_views`. The shape stays that of one view: `silhouette_iou` is its mean
    IoU with the masks, and `confidence` that times `trust`.
    """
    taken = taken_of(frames, masks, cameras)
    best = _best_view(taken)
    asset = one_view(taken.images[best], taken.masks[best], taken.views[best])
    world_from_object = placed(asset.mesh, asset.pose, taken, best)
    points = world_from_object.apply(asset.mesh.vertices)
    iou = agreement(points, asset.mesh.faces, taken)
    splat, gain = asset.splat, None
    better = refined(splat, world_from_object, taken, refine_steps, seed)
    if better is not None:
        splat, gain = better
    seen = colour(points, asset.mesh.faces, taken.images, taken.views)[1]
    up = upward(taken.views)
    centres = np.stack([view.centre() for view in taken.views])
    first = taken.views[0]
    known = {"scale_not_metric": not metric, "low_iou": iou < low_iou, "truncated": taken.cut > 0}
    return replace(
        asset,
        splat=splat,
        pose=first.cam_from_world.compose(world_from_object),
        camera=first.camera,
        scale_source="metric" if metric else "relative",
        confidence=round(trust * iou, 4),
        silhouette_iou=iou,
        flags=(
            *(flag for flag in asset.flags if flag not in OF_ONE_VIEW),
            *(name for name, present in known.items() if present),
        ),
        views=ViewsReport(
            arc_degrees=round(arc_degrees(centres, points.mean(axis=0), up), 1),
            given=len(frames),
            used=len(taken.views),
            cut=taken.cut,
            seen_share=round(float(seen.mean()), 4),
            reference=taken.numbers[0],
            refined_gain_db=gain,
        ),
    )


def placed(mesh: Mesh, pose: Similarity, taken: Taken, reference: int) -> Similarity:
    """world_from_object: `pose` in the camera of view `reference`, scaled about it so that outlines fit."""
    view = taken.views[reference]
    small = _small(taken)
    coarse = decimate(mesh, FEW_FACES)
    middle = view.cam_from_world.apply(hull.middle(taken.masks, taken.views))
    start = max(float(middle[2] / pose.apply(mesh.vertices)[:, 2].mean()), 1e-9)

    def at(scale: float) -> Similarity:
        return view.cam_from_world.inverse().compose(Similarity(scale=scale)).compose(pose)

    def fit(scale: float) -> float:
        return agreement(at(scale).apply(coarse.vertices), coarse.faces, small)

    found, reach = start, float(np.log(WIDEST))
    for _ in range(ROUNDS):
        tries = found * np.exp(np.linspace(-reach, reach, TRIES))
        found = float(tries[int(np.argmax([fit(float(scale)) for scale in tries]))])
        reach *= 2 / (TRIES - 1)
    return at(found)


def _best_view(taken: Taken) -> int:
    """The view with the largest mask, as a share of the picture, that the picture's edge does not cut."""

    def worth(mask: NDArray[np.bool_]) -> tuple[bool, float]:
        cut = touches_border(mask)
        return not cut, float(mask.mean())

    return max(range(len(taken.masks)), key=lambda k: worth(taken.masks[k]))


def _small(taken: Taken) -> Taken:
    """The same views, small: outlines are drawn often."""
    masks, views = [], []
    for mask, view in zip(taken.masks, taken.views, strict=True):
        ratio = min(1.0, SMALL_SIDE / max(mask.shape))
        height, width = (max(1, round(side * ratio)) for side in mask.shape)
        share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        masks.append(np.asarray(share >= 0.5))
        views.append(PosedCamera(view.camera.resized(width, height), view.cam_from_world))
    return replace(taken, masks=masks, views=views)
