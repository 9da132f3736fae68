"""What an engine of each kind takes and returns; every engine of a kind passes the same contract tests.

Images are RGB uint8 of shape (H, W, 3); masks are bool of shape (H, W); boxes are xyxy in pixels,
end-exclusive; points are xy in pixels with pixel centres at +0.5. Cameras are OpenCV (x right, y down,
z forward), quaternions wxyz. Unknown values are None, never zero.
"""

from workers.engines.protocols.batches import BatchedConceptEngine, GroundingQuery
from workers.engines.protocols.bodies import (
    BodyControls,
    BodyEngine,
    BodyEstimate,
    LodBodyEngine,
    PersonHints,
    PromptableBodyEngine,
    Rig,
)
from workers.engines.protocols.concepts import (
    ConceptEngine,
    FrameExemplar,
    FrameResult,
    Frames,
    ImageHandle,
    MaskCleanup,
    Removal,
    SegmentedInstance,
    TimedPrompt,
    TrackedInstance,
    Tracker,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.engines.protocols.objects import (
    GenerationControls,
    GenerativeEngine,
    MultiViewEngine,
    ObjectAsset,
    ObjectEngine,
    ViewsReport,
)
from workers.engines.protocols.shared import (
    Box,
    EngineInfo,
    EngineKind,
    Mask,
    RequestRefused,
    Rgb,
    ScaleSource,
)

__all__ = [
    "BatchedConceptEngine",
    "BodyControls",
    "BodyEngine",
    "BodyEstimate",
    "Box",
    "ConceptEngine",
    "EngineInfo",
    "EngineKind",
    "FrameExemplar",
    "FrameResult",
    "Frames",
    "GenerationControls",
    "GenerativeEngine",
    "GroundingQuery",
    "ImageHandle",
    "LodBodyEngine",
    "Mask",
    "MaskCleanup",
    "MultiViewEngine",
    "ObjectAsset",
    "ObjectEngine",
    "PersonHints",
    "PromptableBodyEngine",
    "Removal",
    "RequestRefused",
    "Rgb",
    "Rig",
    "ScaleSource",
    "SegmentedInstance",
    "TimedPrompt",
    "TrackPrompts",
    "TrackedInstance",
    "Tracker",
    "VideoFrame",
    "ViewsReport",
    "VisualPrompt",
]
