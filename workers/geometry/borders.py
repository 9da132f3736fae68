"""Whether a mask or a box reaches the border of its image, so that the object may go on outside it."""

import numpy as np
from maquette.contract.results import Side

from workers.geometry.boxes import Box, Mask


def touched_sides(mask: Mask) -> list[Side]:
    """The sides of the image that a mask (H, W) touches with a pixel."""
    edges: dict[Side, Mask] = {
        "left": mask[:, 0],
        "top": mask[0],
        "right": mask[:, -1],
        "bottom": mask[-1],
    }
    return [side for side, edge in edges.items() if edge.any()]


def touches_border(mask: Mask) -> bool:
    """Whether a mask (H, W) has a pixel on the border of its image."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def measure_border_contact(mask: Mask) -> float:
    """The share of a mask's outline that lies on the border of its image, 0..1; 0 for an empty mask.

    The outline is counted in edges of pixels: a square of which half is outside has 1/3, a disc as well.
    """
    edges = [np.count_nonzero(mask[:, 1:] != mask[:, :-1]), np.count_nonzero(mask[1:] != mask[:-1])]
    contact = sum(np.count_nonzero(edge) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    outline = sum(edges) + contact
    return contact / outline if outline else 0.0


def box_touches_border(box: Box, size: tuple[int, int], margin: float = 0.0) -> bool:
    """Whether an xyxy box comes within `margin` pixels of the border of an image of (height, width)."""
    height, width = size
    return min(box[0], box[1], width - box[2], height - box[3]) <= margin


def truncation_flags(mask: Mask) -> tuple[str, ...]:
    """`("truncated",)` for a mask that touches the border of its image, else nothing."""
    return ("truncated",) if touches_border(mask) else ()
