"""Flags of objects in metres whose size, or whose unit of depth, is in doubt."""

from dataclasses import replace

import numpy as np

from workers.datasets.boxes3d.size_priors import is_implausible_size
from workers.engines.protocols import ObjectAsset


def flag_doubtful_size(asset: ObjectAsset, label: str | None, *, unit_assumed: bool = False) -> ObjectAsset:
    """Return the asset with the flags `depth_unit_assumed` and `size_implausible` where they hold.

    The first says that depth came without its unit, the second that no object of that name is as large or
    as small.
    """
    if asset.scale_source != "metric":
        return asset
    longest = float(np.ptp(asset.mesh.vertices, axis=0).max()) * asset.pose.scale
    flags = {"depth_unit_assumed": unit_assumed, "size_implausible": is_implausible_size(longest, label)}
    return replace(asset, flags=(*asset.flags, *(name for name, is_set in flags.items() if is_set)))
