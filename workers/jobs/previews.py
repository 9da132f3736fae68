"""Images of assets for people to judge: views from around."""

import numpy as np

from workers.engines.protocols import ObjectAsset, Rgb
from workers.jobs.asset_views import AssetViews

# side of one view of an asset in pixels
VIEW_SIDE = 320
# where an asset is seen from: in front, three-quarters, beside, behind
DIRECTIONS = ((0.0, 0.2, 1.75), (1.25, 0.65, 1.25), (1.75, 0.2, 0.0), (-0.75, 0.4, -1.6))


def render_asset_preview(asset: ObjectAsset) -> Rgb:
    """Four views of the mesh above four views of the splat, each at the same scale."""
    views = AssetViews(asset, VIEW_SIDE)
    surfaces, splats = zip(*(views.render(direction) for direction in DIRECTIONS), strict=True)
    return np.vstack([np.hstack(surfaces), np.hstack(splats)])
