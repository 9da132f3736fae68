"""A scene job: objects and bodies of one image together."""

from typing import Annotated, Literal

from pydantic import Field

from maquette.contract.formats import SceneFormat
from maquette.contract.geometry import Intrinsics
from maquette.contract.media import MediaRef
from maquette.contract.prompts import RequiredPhrases, Threshold
from maquette.contract.requests.common import JobBase


class SceneJob(JobBase):
    """Objects and bodies of one image in one camera frame; a body gives its scale to the objects."""

    kind: Literal["scene"] = "scene"
    image: MediaRef
    """The image."""
    formats: Annotated[list[SceneFormat], Field(min_length=1, max_length=5)] = ["glb", "ply"]
    """Formats to write; the scene as GLB and its splat as PLY are always written."""
    contact: bool = True
    """Stand objects on the ground plane that people's feet define."""
    text: RequiredPhrases
    """Phrases, also several in one string, joined by commas; each names every instance of a concept."""
    threshold: Threshold | None = None
    """Lowest score of an instance that a phrase finds; null takes the engine's."""
    camera: Intrinsics | None = None
    """Intrinsics in pixels of the full image; null takes EXIF or an estimate."""

    def phrases(self) -> list[str]:
        """Return `text`."""
        return self.text
