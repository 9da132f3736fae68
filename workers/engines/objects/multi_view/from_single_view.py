"""An object reconstructed from the best of several views, and scaled until all outlines fit.

It has the right outline in that view, and a distance that one view cannot give. Scaling it about that
camera's centre keeps the outline there; the other views determine the scale. Its splat is refined on all
views.
"""

from dataclasses import replace

import cv2
import numpy as np

from workers.engines.objects.multi_view.vertex_colors import color_vertices
from workers.engines.objects.multi_view.views import (
    MaskedViews,
    SingleViewReconstructor,
    mean_silhouette_iou,
)
from workers.engines.objects.multi_view.visual_hull import triangulate_centre
from workers.engines.objects.splats.refinement import CPU_STEPS, refine_in_object_frame
from workers.engines.protocols import Mask, ObjectAsset
from workers.formats.decimation import decimate
from workers.geometry.borders import touches_border
from workers.geometry.meshes import Mesh
from workers.geometry.posed_cameras import PosedCamera, estimate_up, measure_arc
from workers.geometry.poses import Similarity

# Silhouettes are rendered some 400 times: of a coarse mesh, in small images.
COARSE_FACES, COARSE_SIDE = 4000, 256
# Search for the scale: a factor either way, then finer about the best; trials per round and rounds.
LARGEST_FACTOR, TRIALS, ROUNDS = 2.0, 17, 3
# Flags about one view's camera and place, which are determined anew for all views.
SINGLE_VIEW_FLAGS = frozenset(
    {"scale_not_metric", "low_iou", "truncated", "camera_assumed", "camera_estimated"}
)


def reconstruct_from_best_view(
    views: MaskedViews,
    single_view: SingleViewReconstructor,
    *,
    seed: int,
    metric: bool,
    low_iou: float,
    confidence_per_iou: float = 1.0,
    refine_steps: int = CPU_STEPS,
) -> ObjectAsset:
    """The object that `single_view` reconstructs from the best view, placed where all views see it.

    The shape stays that of one view: `silhouette_iou` is its mean IoU with the masks, flagged below
    `low_iou`, and `confidence` is `confidence_per_iou` times that.
    """
    best = _find_best_view(views)
    asset = single_view(views.images[best], views.masks[best], camera=views.cameras[best].camera)
    world_from_object = fit_scale(asset.mesh, asset.pose, views, best)
    points = world_from_object.apply(asset.mesh.vertices)
    iou = mean_silhouette_iou(points, asset.mesh.faces, views)
    splat, gain = asset.splat, None
    refined = refine_in_object_frame(
        splat, world_from_object, views.images, views.masks, views.cameras, steps=refine_steps, seed=seed
    )
    if refined is not None:
        splat, gain = refined
    visible = color_vertices(points, asset.mesh.faces, views.images, views.cameras)[1]
    arc = measure_arc(views.centres(), points.mean(axis=0), estimate_up(views.cameras))
    first = views.cameras[0]
    conditions = {"scale_not_metric": not metric, "low_iou": iou < low_iou, "truncated": views.truncated > 0}
    return replace(
        asset,
        splat=splat,
        pose=first.cam_from_world.compose(world_from_object),
        camera=first.camera,
        scale_source="metric" if metric else "relative",
        confidence=round(confidence_per_iou * iou, 4),
        silhouette_iou=iou,
        flags=(
            *(flag for flag in asset.flags if flag not in SINGLE_VIEW_FLAGS),
            *(name for name, holds in conditions.items() if holds),
        ),
        views=views.report(arc, visible, refined_gain_db=gain),
    )


def fit_scale(mesh: Mesh, pose: Similarity, views: MaskedViews, reference: int) -> Similarity:
    """world_from_object: `pose` in the camera of view `reference`, scaled about it so that outlines fit."""
    view = views.cameras[reference]
    small = _shrink(views)
    coarse = decimate(mesh, COARSE_FACES)
    centre = view.cam_from_world.apply(triangulate_centre(views))
    start = max(float(centre[2] / pose.apply(mesh.vertices)[:, 2].mean()), 1e-9)

    def place(scale: float) -> Similarity:
        return view.cam_from_world.inverse().compose(Similarity(scale=scale)).compose(pose)

    def score(scale: float) -> float:
        return mean_silhouette_iou(place(scale).apply(coarse.vertices), coarse.faces, small)

    best, reach = start, float(np.log(LARGEST_FACTOR))
    for _ in range(ROUNDS):
        trials = best * np.exp(np.linspace(-reach, reach, TRIALS))
        best = float(trials[int(np.argmax([score(float(scale)) for scale in trials]))])
        reach *= 2 / (TRIALS - 1)
    return place(best)


def _find_best_view(views: MaskedViews) -> int:
    """The view with the largest mask, as a share of its image, that the image's border does not cut."""

    def rank(mask: Mask) -> tuple[bool, float]:
        return not touches_border(mask), float(mask.mean())

    return max(range(len(views)), key=lambda k: rank(views.masks[k]))


def _shrink(views: MaskedViews) -> MaskedViews:
    """The same views in images of at most `COARSE_SIDE` pixels."""
    masks, cameras = [], []
    for mask, view in zip(views.masks, views.cameras, strict=True):
        ratio = min(1.0, COARSE_SIDE / max(mask.shape))
        height, width = (max(1, round(side * ratio)) for side in mask.shape)
        share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        masks.append(np.asarray(share >= 0.5))
        cameras.append(PosedCamera(view.camera.resized(width, height), view.cam_from_world))
    return replace(views, masks=masks, cameras=cameras)
