"""An objects job: a mesh, a splat and a pose for each object."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from maquette.contract.formats import ObjectFormat, ObjectOutput
from maquette.contract.geometry import Intrinsics, Rle
from maquette.contract.media import DepthMap, MediaRef
from maquette.contract.prompts import Masks, Phrase
from maquette.contract.requests.common import CameraPoses, JobId, PromptedJob
from maquette.contract.requests.engine_options import (
    GENERATION,
    GROUND_PLANE,
    MANY_VIEWS,
    POINTMAP,
    EngineOption,
)
from maquette.contract.requests.generation import Generation
from maquette.contract.requests.regions import Region, list_regions


class ReconstructionJob(PromptedJob):
    """What objects and scene jobs share: the image, what is known of it, and extra outputs per object."""

    image: MediaRef | None = None
    """The image; null with `from_job`."""
    masks: Masks = []
    """Masks of the image's size; each is one object."""
    mask_labels: Annotated[list[Phrase | None], Field(max_length=256)] = []
    """What each mask shows, in the order of `masks`, null where unknown; like a phrase it guides the shape,
    and in a scene a person becomes a body."""
    from_job: JobId | None = None
    """Id of a segment job that brings the image and the masks."""
    camera: Intrinsics | None = None
    """Intrinsics in pixels of the full image; null takes EXIF or an estimate."""
    depth: DepthMap | None = None
    """Depth map of the image; it makes shapes and positions metric."""
    outputs: Annotated[list[ObjectOutput], Field(max_length=4)] = []
    """Extra outputs per object: the posed mesh over the image (placed), a turntable video, a simulation
    package with URDF and MJCF, and the point map of the image (engines with the capability `pointmap`)."""
    generation: Generation | None = None
    """Controls of a generative engine, for those with the capability `generation`."""
    ground: Rle | None = None
    """Mask of the floor, of the image's size: the plane of the points under it is reported as `ground`, by
    engines with the capability `ground_plane`. It moves no object."""
    turntable_size: Annotated[int, Field(ge=64, le=1024, multiple_of=2)] = 256
    """Height of turntable videos in pixels, an even number; they are twice as wide."""
    turntable_seconds: Annotated[float, Field(ge=0.5, le=20)] = 2.0
    """Length of turntable videos in seconds, which is one turn."""
    density: Annotated[float, Field(gt=0, le=30_000)] = 1000.0
    """Uniform density of simulation packages in kg/m³."""
    longest_side_m: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Longest side of simulation packages in metres; null keeps the asset's own scale."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.from_job is None and not self._has_medium():
            raise ValueError("give 'image', or 'from_job' with the id of a segment job")
        if self.from_job is None and not (self.text or self.boxes or self.points or self.masks):
            raise ValueError("say which objects: 'text', 'boxes', 'points', 'masks' or 'from_job'")
        if self.from_job is not None and (self.image or self.text or self.boxes or self.points or self.masks):
            raise ValueError("'from_job' brings its own image and masks: leave the other prompts out")
        if self.mask_labels and len(self.mask_labels) != len(self.masks):
            raise ValueError("'mask_labels' has one label, or null, per mask of 'masks'")
        return self

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield controls of generation, the point map and the ground plane."""
        if self.generation is not None:
            yield GENERATION
        if "pointmap" in self.outputs:
            yield POINTMAP
        if self.ground is not None:
            yield GROUND_PLANE

    def regions(self) -> Iterator[Region]:
        """Yield boxes, points, masks and the mask of the floor."""
        yield from super().regions()
        yield from list_regions("masks", self.masks)
        if self.ground is not None:
            yield Region("ground", self.ground)

    def _has_medium(self) -> bool:
        return self.image is not None


class ObjectsJob(ReconstructionJob):
    """A mesh, a splat and a pose for each object of an image, or with `multiview` of a video.

    An image comes with prompts, or from a segment job. With `multiview` the views come from `video`, whose
    prompts lie on its first frame, or from a track job.
    """

    kind: Literal["objects"] = "objects"
    image: MediaRef | None = None
    """The image; null with `from_job` or `multiview`."""
    from_job: JobId | None = None
    """Id of a segment job (of a track job with `multiview`) that brings the image and the masks."""
    formats: Annotated[list[ObjectFormat], Field(min_length=1, max_length=12)] = ["glb", "ply"]
    """Formats to write; the mesh as GLB and the splat as PLY are always written."""
    video: MediaRef | None = None
    """The video of `multiview`."""
    multiview: bool = False
    """Reconstruct each object from many frames of a video."""
    world_from_cam: CameraPoses | None = None
    """Camera poses of `multiview`, a 4x4 matrix in metres per frame; null estimates them from the frames."""
    max_views: Annotated[int, Field(ge=3, le=64)] = 24
    """Maximum number of frames that `multiview` uses per object."""

    @model_validator(mode="after")
    def _check_multiview(self) -> "ObjectsJob":
        if self.multiview and (self.image is not None or self.masks):
            raise ValueError("'multiview' needs 'video', or 'from_job' with the id of a track job")
        if self.multiview and (self.generation is not None or "pointmap" in self.outputs):
            raise ValueError("'generation' and the output 'pointmap' belong to one image, not to 'multiview'")
        if self.multiview and self.ground is not None:
            raise ValueError("'ground' belongs to one image: leave it out with 'multiview'")
        if self.multiview and self.depth is not None:
            raise ValueError("'depth' belongs to one image: leave it out with 'multiview'")
        if not self.multiview and (self.video is not None or self.world_from_cam is not None):
            raise ValueError("'video' and 'world_from_cam' are for many views: set 'multiview'")
        if self.video is not None and self.from_job is not None:
            raise ValueError("'from_job' brings its own video: leave 'video' out")
        return self

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield those of one view, and many views."""
        yield from super().engine_options()
        if self.multiview:
            yield MANY_VIEWS

    def _has_medium(self) -> bool:
        return self.image is not None or self.video is not None
