"""An object from several posed views: visual hull, support plane, carving, colours and splat."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from maquette.contract import Problem

from workers.engines.objects.multi_view.consistent_views import select_consistent
from workers.engines.objects.multi_view.depth_slab import NARROW_ARC, bound_depth
from workers.engines.objects.multi_view.distance_field import Array, EmptyHullError
from workers.engines.objects.multi_view.from_single_view import reconstruct_from_best_view
from workers.engines.objects.multi_view.surface import ColoredSurface, extract_surface
from workers.engines.objects.multi_view.tangent_planes import (
    cut_to_tangent_planes,
    find_support_height,
    list_directions,
    trace_outlines,
)
from workers.engines.objects.multi_view.views import (
    MaskedViews,
    SingleViewReconstructor,
    mean_silhouette_iou,
    select_views,
)
from workers.engines.objects.multi_view.visual_hull import build_hull, triangulate_centre
from workers.engines.objects.splats.refinement import refine_in_object_frame
from workers.engines.objects.splats.surfels import build_vertex_colored_surfels
from workers.engines.protocols import Mask, ObjectAsset, RequestRefused, Rgb
from workers.geometry.meshes import Mesh
from workers.geometry.posed_cameras import PosedCamera, estimate_up, measure_arc
from workers.geometry.poses import Similarity

# Arc in degrees from which all sides count as seen.
CONFIDENT_ARC = 180.0
# Mean IoU with the masks below which the result is flagged `low_iou`.
LOW_IOU = 0.9
# Confidence per IoU: without any arc, and what a confident arc adds. A stated rule, not calibrated.
BASE_CONFIDENCE, ARC_CONFIDENCE = 0.5, 0.4
# Confidence per IoU of an object whose shape is that of one view. A stated rule, not calibrated.
SINGLE_VIEW_CONFIDENCE = 0.5
# IoU by which one view's shape must agree better with all masks than the hull of a narrow arc.
MUCH_BETTER_IOU = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiViewOptions:
    """How much to compute: surfels per splat, Adam steps to refine it, and whether to carve by colour."""

    splat_size: int
    refine_steps: int
    carve: bool


def reconstruct_views(
    frames: Sequence[Rgb],
    masks: Sequence[Mask],
    cameras: Sequence[PosedCamera],
    single_view: SingleViewReconstructor,
    options: MultiViewOptions,
    *,
    seed: int,
    metric: bool,
) -> ObjectAsset:
    """The object that all masks show; see `MultiViewEngine.reconstruct_views`.

    In a narrow arc, where what occludes the object in other frames cuts its hull, it is the shape of the best
    single view, if that agrees much better with all masks.
    """
    views = select_views(frames, masks, cameras)
    asset = _reconstruct_from_hull(views, single_view, options, seed=seed, metric=metric)
    if "narrow_arc" not in asset.flags or "low_iou" not in asset.flags:
        return asset
    other = reconstruct_from_best_view(
        views,
        single_view,
        seed=seed,
        metric=metric,
        low_iou=LOW_IOU,
        confidence_per_iou=SINGLE_VIEW_CONFIDENCE,
        refine_steps=options.refine_steps,
    )
    if (other.silhouette_iou or 0.0) < (asset.silhouette_iou or 0.0) + MUCH_BETTER_IOU:
        return asset
    return replace(other, flags=(*other.flags, "narrow_arc", "from_one_view"))


def _reconstruct_from_hull(
    given: MaskedViews,
    single_view: SingleViewReconstructor,
    options: MultiViewOptions,
    *,
    seed: int,
    metric: bool,
) -> ObjectAsset:
    up = estimate_up(given.cameras)
    views = select_consistent(given, up)
    try:
        hull = build_hull(views, up)
        centre = triangulate_centre(views)
        arc = measure_arc(views.centres(), centre, up)
        hull = bound_depth(hull, views, single_view, arc, centre)
        outlines = trace_outlines(hull, views)
        floor = find_support_height(outlines)
        if floor is not None:
            hull = hull.clip_below(floor)
        hull = cut_to_tangent_planes(hull, outlines, list_directions())
        surface = extract_surface(hull, floor, arc, views, carve=options.carve)
    except EmptyHullError as error:
        raise RequestRefused(Problem.from_code("views_disagree", 422, str(error))) from None
    first = views.cameras[0]
    world_from_object, vertices = _to_object_frame(surface.points, up, first)
    mesh = Mesh(vertices, surface.faces, surface.colors)
    iou = mean_silhouette_iou(surface.points, surface.faces, views)
    splat, gain = build_vertex_colored_surfels(mesh, options.splat_size, seed), None
    refined = refine_in_object_frame(
        splat,
        world_from_object,
        views.images,
        views.masks,
        views.cameras,
        steps=options.refine_steps,
        seed=seed,
    )
    if refined is not None:
        splat, gain = refined
    return ObjectAsset(
        mesh=mesh,
        splat=splat,
        pose=first.cam_from_world.compose(world_from_object),
        camera=first.camera,
        scale_source="metric" if metric else "relative",
        confidence=round(iou * (BASE_CONFIDENCE + ARC_CONFIDENCE * min(arc / CONFIDENT_ARC, 1.0)), 4),
        silhouette_iou=iou,
        flags=_list_flags(arc, iou, views, surface, metric=metric, fewer=len(views) < len(given)),
        views=views.report(arc, surface.visible, refined_gain_db=gain, carved_gain_db=surface.carved_gain_db),
    )


def _to_object_frame(points: Array, up: Array, first: PosedCamera) -> tuple[Similarity, Array]:
    """world_from_object and the vertices (V, 3): y up, z towards the first camera, longest side 1."""
    back = first.centre() - points.mean(axis=0)
    x = np.cross(up, back)
    x = x / np.linalg.norm(x) if np.linalg.norm(x) > 1e-9 else np.eye(3)[int(np.abs(up).argmin())]
    z = np.cross(x, up)
    z /= np.linalg.norm(z)
    axes = np.stack([np.cross(up, z), up, z])
    rotated = points @ axes.T
    low, high = rotated.min(axis=0), rotated.max(axis=0)
    centre, size = (low + high) / 2, float((high - low).max())
    return Similarity.from_parts(axes.T, axes.T @ centre, size), (rotated - centre) / size


def _list_flags(
    arc: float, iou: float, views: MaskedViews, surface: ColoredSurface, *, metric: bool, fewer: bool
) -> tuple[str, ...]:
    conditions = {
        "default_engine": True,
        "hollows_filled": surface.carved_gain_db is None,
        "hollow_guessed": surface.hollow_guessed,
        "underside_guessed": surface.underside_guessed,
        "unseen_side_guessed": arc < CONFIDENT_ARC,
        "narrow_arc": arc < NARROW_ARC,
        "scale_not_metric": not metric,
        "truncated": views.truncated > 0,
        "views_left_out": fewer,
        "low_iou": iou < LOW_IOU,
    }
    return tuple(name for name, holds in conditions.items() if holds)
