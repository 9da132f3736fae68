"""What an engine of each kind takes and returns; every engine of a kind passes the same contract tests.

Images are RGB uint8 of shape (H, W, 3); masks are bool of shape (H, W); boxes are xyxy in pixels,
end-exclusive; points are xy in pixels with pixel centres at +0.5. Cameras are OpenCV (x right, y down,
z forward), quaternions wxyz. Unknown values are None, never zero.
"""

from workers.engines.protocols.bodies import BodyEngine, BodyEstimate, LodBodyEngine, Rig
from workers.engines.protocols.concepts import (
    Click,
    ConceptEngine,
    FrameResult,
    Frames,
    ImageHandle,
    Removal,
    Segmented,
    ShownOnFrame,
    TimedClick,
    Tracked,
    Tracker,
    TrackPrompts,
    VideoFrame,
)
from workers.engines.protocols.objects import MultiViewEngine, ObjectAsset, ObjectEngine, ViewsReport
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
    "BodyEngine",
    "BodyEstimate",
    "Box",
    "Click",
    "ConceptEngine",
    "EngineInfo",
    "EngineKind",
    "FrameResult",
    "Frames",
    "ImageHandle",
    "LodBodyEngine",
    "Mask",
    "MultiViewEngine",
    "ObjectAsset",
    "ObjectEngine",
    "Removal",
    "RequestRefused",
    "Rgb",
    "Rig",
    "ScaleSource",
    "Segmented",
    "ShownOnFrame",
    "TimedClick",
    "TrackPrompts",
    "Tracked",
    "Tracker",
    "VideoFrame",
    "ViewsReport",
]
