"""A segment job: masks of an image."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.formats import MaskOutput
from maquette.contract.media import MediaRef
from maquette.contract.prompts import Exemplar, FrameIndex, ImagePhrases, ObjectPrompt
from maquette.contract.requests.common import PromptedJob
from maquette.contract.requests.engine_options import (
    CROSS_IMAGE_EXEMPLARS,
    IMAGE_BATCH,
    MASK_CLEANUP,
    SEMANTIC_MAP,
    EngineOption,
)
from maquette.contract.requests.regions import Misfit, Region, list_prompt_regions, report_no_object


class SegmentJob(PromptedJob):
    """Masks of everything that the prompts name in one image."""

    kind: Literal["segment"] = "segment"
    image: MediaRef
    """The image, or the video that `frame` picks an image from."""
    frame: FrameIndex | None = None
    """Index of a frame, from 0, when `image` is a video."""
    exemplars: Annotated[list[Exemplar], Field(max_length=64)] = []
    """Boxes around examples of a concept; every instance that looks like them is segmented."""
    prompts: Annotated[list[ObjectPrompt], Field(max_length=256)] = []
    """Objects that are each named by a box, points and a mask together."""
    images: Annotated[list[ImagePhrases], Field(max_length=255)] = []
    """Further images in which phrases are found, pairs of image and phrase in batches; for engines with the
    capability `image_batch`. What else the job names is found in `image` alone."""
    nms_iou: Annotated[float, Field(ge=0, le=1)] | None = None
    """Mask IoU above which the weaker of two instances of one phrase is left out; 1 keeps all, null takes the
    engine's (0.7 of `sam3`)."""
    fill_area: Annotated[int, Field(ge=0, le=82_944)] | None = None
    """Holes and specks up to this many cells of the engine's masks are removed: `sam3` has 288 x 288 cells; 0
    keeps them, null takes the engine's (16)."""
    overlay: bool = True
    """Whether to draw the masks over the image as the artefact `overlay.png`; without it, the mask of a click
    is there sooner."""
    outputs: Annotated[list[MaskOutput], Field(max_length=3)] = []
    """Extra outputs: polygons in the instances, a PNG artefact per mask, and a semantic map per phrase (for
    engines with the capability `semantic_map`)."""

    @model_validator(mode="after")
    def _check_prompts(self) -> "SegmentJob":
        if not (self.text or self.boxes or self.points or self.exemplars or self.prompts):
            raise ValueError("give at least one of 'text', 'boxes', 'points', 'exemplars' and 'prompts'")
        if self.exemplars and not any(exemplar.positive for exemplar in self.exemplars):
            raise ValueError("'exemplars' need at least one positive box")
        if "semantic" in self.outputs and not self.text:
            raise ValueError("the output 'semantic' is a map per phrase: give 'text'")
        if self.images and "semantic" in self.outputs:
            raise ValueError("the output 'semantic' is of one image: leave 'images' out")
        if not self.text and not all(item.text for item in self.images):
            raise ValueError("each of 'images' needs phrases, its own or the job's 'text'")
        return self

    def phrases(self) -> list[str]:
        """Return the phrases of all images, each once."""
        return list(dict.fromkeys([*self.text, *(each for item in self.images for each in item.text)]))

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield further images, semantic maps, cleaning of masks, and exemplars of other images."""
        if self.images:
            yield IMAGE_BATCH
        if "semantic" in self.outputs:
            yield SEMANTIC_MAP
        if self.nms_iou is not None or self.fill_area is not None:
            yield MASK_CLEANUP
        if any(exemplar.image is not None for exemplar in self.exemplars):
            yield CROSS_IMAGE_EXEMPLARS

    def pair_phrases(self, item: ImagePhrases) -> tuple[list[str], list[float | None]]:
        """Return what to find in one of `images`, and a threshold per phrase, None for the engine's."""
        if not item.text:
            return self.text, self.resolve_thresholds()
        own = item.thresholds or [None] * len(item.text)
        return item.text, [self.threshold if value is None else value for value in own]

    def regions(self) -> Iterator[Region]:
        """Yield boxes, points, exemplars of the image itself, and prompts."""
        yield from super().regions()
        for index, exemplar in enumerate(self.exemplars):
            if exemplar.image is None:
                yield Region(f"exemplars[{index}]", exemplar.box)
        yield from list_prompt_regions("prompts", self.prompts)

    def find_unstartable(self) -> Misfit | None:
        """Return the first of `prompts` that has only points off its object."""
        for index, prompt in enumerate(self.prompts):
            if not prompt.can_start_object():
                return report_no_object(f"prompts[{index}]")
        return None
