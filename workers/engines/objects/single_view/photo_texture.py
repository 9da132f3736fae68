"""The photo as a texture of an object: every point takes the colour of the pixel it projects to.

The seen side shows the photo as it is. The unseen one, which projects to the same pixels, shows its mirror
image: so the texture has no seam, and the mesh stays closed for readers that split it along seams.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.texture import spread_colors
from workers.engines.protocols import Mask, Rgb
from workers.formats.images import shrink_image
from workers.geometry.boxes import mask_extent
from workers.geometry.meshes import PhotoTexture

# Longest side in pixels: viewers on phones take textures up to 4096. Chosen, not measured.
MAX_SIDE = 2048


def build_photo_texture(image: Rgb, mask: Mask, pixels: NDArray[np.float64]) -> PhotoTexture:
    """The texture of a mesh whose vertices project to `pixels` (V, 2) of an image with a non-empty mask.

    Only pixels of the mask are shown; all others take the colour of the nearest one of these. Leaving out the
    outermost pixels, which mix with the background, makes the sides cleaner, but costs 1.5 dB of what the
    camera sees in the mean of 10 photos.
    """
    x0, y0, x1, y1 = mask_extent(mask)
    colors = spread_colors(image[y0:y1, x0:x1], mask[y0:y1, x0:x1])
    uvs = np.clip((pixels - (x0, y0)) / (x1 - x0, y1 - y0), 0.0, 1.0)
    return PhotoTexture(pixels=shrink_image(colors, MAX_SIDE), uvs=uvs)
