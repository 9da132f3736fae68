"""A scene job: objects and bodies of one image together."""

from typing import Annotated, Literal

from pydantic import Field

from maquette.contract.formats import SceneFormat
from maquette.contract.requests.objects import ReconstructionJob


class SceneJob(ReconstructionJob):
    """Objects and bodies of one image in one camera frame; a body gives its scale to the objects.

    Instances labelled person become bodies, all others objects. A depth map places both where it was
    measured.
    """

    kind: Literal["scene"] = "scene"
    formats: Annotated[list[SceneFormat], Field(min_length=1, max_length=8)] = ["glb", "ply"]
    """Formats to write; the scene as GLB and its splat as PLY are always written."""
    contact: bool = True
    """Stand objects on the ground plane that people's feet define."""
