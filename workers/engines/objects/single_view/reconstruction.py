"""An object from one view: the shape that explains its mask best, coloured by the image."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.confidence import is_tiny, rate_confidence
from workers.engines.objects.single_view.hypotheses import ShapeFit
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.photo_splat import build_photo_splat
from workers.engines.objects.single_view.photo_texture import build_photo_texture
from workers.engines.objects.single_view.shape_selection import fit_hypotheses, select
from workers.engines.objects.single_view.surface import Surface
from workers.engines.objects.single_view.texture import complete_texture
from workers.engines.protocols import Mask, ObjectAsset, Rgb
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import concatenate, transform
from workers.geometry.mesh_renderer import rasterize

# Noise in sizes of the object from which a depth map says no more than how far away the object is: maps
# with 0.05 still add 0.2 of IoU on 25 real objects.
MAX_NOISE = 0.1
# IoU of the finished mesh with the mask below which the result is flagged `low_iou`.
LOW_IOU = 0.97
# Surfels that follow the photo's detail, beside those of the unseen side.
DETAIL_SIZE = 30_000


def reconstruct_view(
    image: Rgb,
    mask: Mask,
    camera: Camera | None,
    depth: NDArray[np.float32] | None,
    label: str | None,
    *,
    splat_size: int,
    seed: int,
) -> ObjectAsset:
    """Reconstruct one masked object; see `DefaultObjects.reconstruct`. The inputs must be checked."""
    camera = camera or Camera.assumed(mask.shape[1], mask.shape[0])
    view = MaskView.from_mask(mask, camera, depth, image)
    prior = LabelPrior.from_label(label)
    fit, surface, uses_depth = explain_view(view, prior)
    texture = complete_texture(image, view.mask)
    mesh, pose = surface.to_object_frame(texture)
    unseen = surface.build_splat(mesh, texture, splat_size, seed)
    detail = build_photo_splat(image, view.mask, camera, surface.vertices, surface.faces, DETAIL_SIZE)
    seen = transform(detail, pose.inverse())
    iou = view.silhouette_iou(pose.apply(mesh.vertices), mesh.faces)
    return ObjectAsset(
        mesh=mesh,
        splat=concatenate([seen, unseen]),
        pose=pose,
        camera=camera,
        scale_source="metric" if surface.is_metric else "relative",
        confidence=rate_confidence(view, fit.name, surface, iou, uses_depth=uses_depth),
        silhouette_iou=iou,
        flags=_list_flags(view, prior, fit, surface, iou, uses_depth=uses_depth),
        photo=build_photo_texture(image, view.mask, surface.pixels),
    )


def explain_view(view: MaskView, prior: LabelPrior) -> tuple[ShapeFit, Surface, bool]:
    """The shape that explains a view best, its surface, and whether depth has formed it.

    Depth that is too noisy to show a shape determines the distance alone. The surface is in metres where the
    view has usable depth.
    """
    if view.depth is None or view.depth_noise <= MAX_NOISE:
        fit = select(fit_hypotheses(view, prior))
        surface = fit.build_surface()
        return fit, surface, surface.is_metric
    fit = select(fit_hypotheses(replace(view, depth=None), prior))
    return fit, _scale_to_depth(fit.build_surface(), view), False


def _scale_to_depth(surface: Surface, view: MaskView) -> Surface:
    """A surface at about z = 1 moved along its rays to the median depth that was measured, if any was."""
    if view.depth is None or not view.has_depth:
        return surface
    front = rasterize(surface.vertices, surface.faces, view.camera).depth
    both = view.own_depth & np.isfinite(front)
    if not both.any():
        return surface
    scale = float(np.median(view.depth[both] / front[both]))
    return replace(surface, vertices=surface.vertices * scale, is_metric=True)


def _list_flags(
    view: MaskView, prior: LabelPrior, fit: ShapeFit, surface: Surface, iou: float, *, uses_depth: bool
) -> tuple[str, ...]:
    conditions = {
        "default_engine": True,
        "unseen_side_guessed": True,
        "scale_not_metric": not surface.is_metric,
        "camera_assumed": view.camera.source == "assumed",
        "truncated": view.is_truncated,
        "multiple_components": view.parts > 1,
        "tiny_mask": is_tiny(view),
        "low_iou": iou < LOW_IOU,
        "depth_unusable": view.depth is not None and not surface.is_metric,
        "depth_distance_only": surface.is_metric and not uses_depth,
        "shape_prior": fit.name == "inflated" and prior.thickness is not None,
        f"shape_{fit.name}": fit.name != "inflated",
    }
    return tuple(name for name, holds in conditions.items() if holds)
