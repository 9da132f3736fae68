"""The parts of requests that only some engines can answer: those that list the capability."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOption:
    """What a request asks for beyond the minimum of a kind of engine.

    Engines of that kind that do not list the `capability` refuse it with the problem `code` (422); `fields`
    names the request's fields, for people.
    """

    engine: Literal["concepts", "objects", "bodies"]
    capability: str
    code: str
    fields: str

    def explain_refusal(self, engine: str) -> str:
        """Return the detail of the problem with which the engine of that name refuses."""
        return (
            f"engine {engine!r} does not take {self.fields}: engines that list the capability "
            f"{self.capability!r} in GET /v1/engines do"
        )


IMAGE_BATCH = EngineOption(
    engine="concepts", capability="image_batch", code="image_batch_unsupported", fields="'images'"
)
SEMANTIC_MAP = EngineOption(
    engine="concepts",
    capability="semantic_map",
    code="semantic_map_unsupported",
    fields="the output 'semantic'",
)
MASK_CLEANUP = EngineOption(
    engine="concepts",
    capability="mask_cleanup",
    code="mask_cleanup_unsupported",
    fields="'nms_iou' and 'fill_area'",
)
CROSS_IMAGE_EXEMPLARS = EngineOption(
    engine="concepts",
    capability="cross_image_exemplars",
    code="exemplars_other_image",
    fields="'exemplars' in another image",
)
VIDEO_EXEMPLARS = EngineOption(
    engine="concepts",
    capability="video_exemplars",
    code="exemplars_on_video_unsupported",
    fields="'exemplars' on frames of a video",
)
VIDEO_EXEMPLAR_SETS = EngineOption(
    engine="concepts",
    capability="video_exemplar_sets",
    code="exemplars_too_many",
    fields="several 'exemplars' of one phrase in a video",
)
VIDEO_COUNTER_EXEMPLARS = EngineOption(
    engine="concepts",
    capability="video_counter_exemplars",
    code="counter_exemplars_unsupported",
    fields="'exemplars' of what a phrase does not mean in a video",
)
VIDEO_MASKS = EngineOption(
    engine="concepts",
    capability="video_masks",
    code="mask_prompt_unsupported",
    fields="masks as 'prompts' in a video",
)
GENERATION = EngineOption(
    engine="objects", capability="generation", code="generation_unsupported", fields="'generation'"
)
POINTMAP = EngineOption(
    engine="objects", capability="pointmap", code="pointmap_unsupported", fields="the output 'pointmap'"
)
GROUND_PLANE = EngineOption(
    engine="objects", capability="ground_plane", code="ground_plane_unsupported", fields="'ground'"
)
MANY_VIEWS = EngineOption(
    engine="objects", capability="many_views", code="multiview_unsupported", fields="'multiview'"
)
BODY_PROMPTS = EngineOption(
    engine="bodies", capability="body_prompts", code="body_prompts_unsupported", fields="'people'"
)
HAND_REFINEMENT = EngineOption(
    engine="bodies",
    capability="hand_refinement",
    code="hand_refinement_unsupported",
    fields="'hands', 'max_wrist_angle' and hand boxes in 'people'",
)
ENGINE_OPTIONS = (
    IMAGE_BATCH,
    SEMANTIC_MAP,
    MASK_CLEANUP,
    CROSS_IMAGE_EXEMPLARS,
    VIDEO_EXEMPLARS,
    VIDEO_EXEMPLAR_SETS,
    VIDEO_COUNTER_EXEMPLARS,
    VIDEO_MASKS,
    GENERATION,
    POINTMAP,
    GROUND_PLANE,
    MANY_VIEWS,
    BODY_PROMPTS,
    HAND_REFINEMENT,
)


def list_lacking(options: Iterable[EngineOption], capabilities: Collection[str]) -> list[EngineOption]:
    """Return the options that an engine with these capabilities does not take."""
    return [option for option in options if option.capability not in capabilities]
