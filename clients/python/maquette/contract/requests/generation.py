"""How a generative engine makes an object: how many steps, how strongly guided, how far."""

from typing import Annotated

from pydantic import Field

from maquette.contract.base import RequestModel

Steps = Annotated[int, Field(ge=1, le=200)]
Guidance = Annotated[float, Field(ge=0, le=30)]


class Generation(RequestModel):
    """Controls of the two stages of SAM 3D Objects; null takes the engine's own value.

    The first stage finds the coarse shape and the pose, the second the surface and its colours.
    """

    coarse: bool = False
    """Stop after the first stage: the coarse shape and its pose, without colours."""
    shape_steps: Steps | None = None
    """Sampling steps of the first stage (25 upstream)."""
    shape_guidance: Guidance | None = None
    """Classifier-free guidance of the first stage (7 upstream); 0 turns it off."""
    detail_steps: Steps | None = None
    """Sampling steps of the second stage (25 upstream)."""
    detail_guidance: Guidance | None = None
    """Classifier-free guidance of the second stage (5 upstream); 0 turns it off."""
