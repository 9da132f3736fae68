"""Bodies of a scene with a depth map: moved along their rays to where they were measured."""

from dataclasses import replace

import numpy as np

from workers.datasets.boxes3d.size_priors import is_implausible_size
from workers.engines.bodies.estimates import measure_height
from workers.engines.protocols import BodyEstimate, Mask
from workers.geometry.mesh_renderer import rasterize
from workers.jobs.bodies.body_height import scale_body
from workers.jobs.bodies.recovery import PERSON
from workers.jobs.objects.reconstruction import MeasuredView

# Fewest pixels with a known depth that a body is placed by; chosen, not measured.
MIN_PIXELS = 50


def place_at_depth(body: BodyEstimate, mask: Mask, view: MeasuredView) -> BodyEstimate:
    """The body at its measured distance, in metres; its image stays the same.

    The factor is the median ratio of measured and rendered depth over the pixels of the mask (H, W) that the
    body covers. Where too few of them have a depth, the body is returned as it is.
    """
    if view.depth is None:
        return body
    rendered = rasterize(body.vertices, body.rig.faces, body.camera).depth
    known = mask & np.isfinite(view.depth) & np.isfinite(rendered)
    if np.count_nonzero(known) < MIN_PIXELS:
        return body
    placed = scale_body(body, float(np.median(view.depth[known] / rendered[known])))
    flags = {
        "scale_from_depth": True,
        "depth_unit_assumed": view.unit_assumed,
        "size_implausible": is_implausible_size(measure_height(placed.rig), PERSON),
    }
    return replace(placed, flags=(*placed.flags, *(name for name, is_set in flags.items() if is_set)))
