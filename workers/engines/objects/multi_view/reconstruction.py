"""An object from several views with known cameras: visual hull, support plane, colours and splats."""

from collections.abc import Sequence

import numpy as np
from maquette.contract import Problem
from numpy.typing import NDArray

from workers.engines.objects.multi_view import depth_slab as slab
from workers.engines.objects.multi_view import visual_hull as hull
from workers.engines.objects.multi_view.consistent_views import agreeing
from workers.engines.objects.multi_view.surface import Surfaced, surfaced
from workers.engines.objects.multi_view.views import LEAST_VIEWS, OneView, Taken, agreement, taken_of, those
from workers.engines.objects.splats.surfels import sample_surface, splat_of
from workers.engines.objects.splats.view_refinement import refined
from workers.engines.protocols import Mask, ObjectAsset, RequestRefused, Rgb, ViewsReport
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh
from workers.geometry.posed_cameras import PosedCamera, estimate_up, measure_arc
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
CONFIDENT_ARC = 180.0
LOW_IOU = 0.9
AGREEING, MUCH_WORSE = 0.93, 0.03


def from_views(
    frames: Sequence[Rgb],
    masks: Sequence[Mask],
    cameras: Sequence[PosedCamera],
    one_view: OneView,
    *,
    splats: int,
    seed: int,
    metric: bool,
    refine_steps: int,
    carve: bool,
) -> ObjectAsset:
    """The object that all masks show; see `ObjectEngine.reconstruct_views`.

    `one_view` gives the object of one view, for the depth under an arc of 75 degrees.
    """
    shown = taken_of(frames, masks, cameras)
    up = estimate_up(shown.views)
    taken = _fitting(shown, up)
    try:
        grid, field = hull.carve(taken.masks, taken.views, up)
        middle = hull.middle(taken.masks, taken.views)
        arc = measure_arc(np.stack([view.centre() for view in taken.views]), middle, up)
        if arc < slab.USEFUL_ARC:
            field = _less_deep(grid, field, taken, one_view, arc, middle)
        height = hull.standing_height(grid, field, taken.masks, taken.views)
        if height is not None:
            field = hull.clip_below(grid, field, height)
        made = surfaced(grid, field, height, arc, taken.images, taken.masks, taken.views, carving=carve)
    except hull.EmptyHull as error:
        raise RequestRefused(Problem.from_code("views_disagree", 422, str(error))) from None
    points, faces = made.points, made.faces
    world_from_object, vertices = _canonical(points, up, taken.views[0])
    mesh = Mesh(vertices, faces, made.colors)
    iou = agreement(points, faces, taken)
    splat, gain = surface_splat(mesh, splats, seed), None
    better = refined(splat, world_from_object, taken, refine_steps, seed)
    if better is not None:
        splat, gain = better
    report = ViewsReport(
        arc_degrees=round(arc, 1),
        given=len(frames),
        used=len(taken.views),
        cut=taken.cut,
        seen_share=round(float(made.seen.mean()), 4),
        reference=taken.numbers[0],
        refined_gain_db=gain,
        carved_gain_db=made.carved_gain_db,
    )
    first = taken.views[0]
    return ObjectAsset(
        mesh=mesh,
        splat=splat,
        pose=first.cam_from_world.compose(world_from_object),
        camera=first.camera,
        scale_source="metric" if metric else "relative",
        confidence=round(iou * (0.5 + 0.4 * min(arc / CONFIDENT_ARC, 1.0)), 4),
        silhouette_iou=iou,
        flags=_flags(arc, iou, taken, made, metric=metric, fewer=len(taken.views) < len(shown.views)),
        views=report,
    )


def surface_splat(mesh: Mesh, count: int, seed: int) -> Gaussians:
    """Flat Gaussians with the colours of a mesh's vertices, spread evenly by area."""
    assert mesh.colors is not None
    samples = sample_surface(mesh.vertices, mesh.faces, count, seed)
    return splat_of(mesh, samples, samples.interpolate(mesh.colors.astype(np.float64), mesh.faces))


def _fitting(taken: Taken, up: Array) -> Taken:
    """The views whose masks fit together."""
    inside = [hull.signed_distance(mask) for mask in taken.masks]
    kept = agreeing(hull.around(taken.masks, taken.views, up), inside, taken.views, LEAST_VIEWS)
    return those(taken.images, taken.masks, taken.views, kept, [taken.numbers[k] for k in kept])


def _less_deep(
    grid: hull.Grid, field: hull.Field, taken: Taken, one_view: OneView, arc: float, middle: Array
) -> hull.Field:
    """The hull cut to the depth of one view's shape: always in a narrow arc, else where all masks agree."""
    centre = _middle_view(taken.views, middle)
    asset = one_view(taken.images[centre], taken.masks[centre], taken.views[centre])
    vertices, faces = asset.pose.apply(asset.mesh.vertices), asset.mesh.faces
    narrow = arc < slab.NARROW_ARC
    wanted = AGREEING if narrow else agreement(*hull.surface(grid, field), taken) - MUCH_WORSE
    for slack in slab.SLACKS if narrow else slab.SLACKS[:1]:
        cut = slab.within_slab(grid, field, vertices, faces, taken.views[centre], middle, slack)
        if (cut > 0).any() and agreement(*hull.surface(grid, cut), taken) >= wanted:
            return cut
    return cut if narrow and (cut > 0).any() else field


def _middle_view(views: Sequence[PosedCamera], target: Array) -> int:
    """The view that looks most like the mean of all."""
    looks = np.stack([target - view.centre() for view in views])
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    return int((looks @ looks.mean(axis=0)).argmax())


def _canonical(points: Array, up: Array, first: PosedCamera) -> tuple[Similarity, Array]:
    """world_from_object and the canonical vertices: y up, z towards the first camera, longest side 1."""
    back = first.centre() - points.mean(axis=0)
    x = np.cross(up, back)
    x = x / np.linalg.norm(x) if np.linalg.norm(x) > 1e-9 else np.eye(3)[int(np.abs(up).argmin())]
    z = np.cross(x, up)
    z /= np.linalg.norm(z)
    axes = np.stack([np.cross(up, z), up, z])
    turned = points @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre, size = (low + high) / 2, float((high - low).max())
    return Similarity.from_parts(axes.T, axes.T @ centre, size), (turned - centre) / size


def _flags(
    arc: float, iou: float, taken: Taken, made: Surfaced, *, metric: bool, fewer: bool
) -> tuple[str, ...]:
    known = {
        "default_engine": True,
        "hollows_filled": made.carved_gain_db is None,
        "hollow_guessed": made.hollow_guessed,
        "underside_guessed": made.underside_guessed,
        "unseen_side_guessed": arc < CONFIDENT_ARC,
        "narrow_arc": arc < slab.NARROW_ARC,
        "scale_not_metric": not metric,
        "truncated": taken.cut > 0,
        "views_left_out": fewer,
        "low_iou": iou < LOW_IOU,
    }
    return tuple(name for name, present in known.items() if present)
