"""What jobs write: a manifest with a typed result, artefacts and their provenance."""

from maquette.contract.results.bodies import (
    BodiesResult,
    BodyResult,
    BodyTrack,
    FloorPlane,
    FrameSpan,
    Gravity,
    Keypoint,
)
from maquette.contract.results.common import Artefact, GroundPlane, ObjectFailure, PromptRef, ScaleSource
from maquette.contract.results.convert import ConvertResult, RenderedView
from maquette.contract.results.dataset import DatasetResult
from maquette.contract.results.manifest import AnyResult, EngineUsed, Manifest, Provenance
from maquette.contract.results.objects import ObjectResult, ObjectsResult, ObjectViews
from maquette.contract.results.scene import SceneNode, SceneResult
from maquette.contract.results.segment import ImageInstances, Instance, SegmentResult, Side
from maquette.contract.results.track import MaskChunk, Track, TrackResult

__all__ = [
    "AnyResult",
    "Artefact",
    "BodiesResult",
    "BodyResult",
    "BodyTrack",
    "ConvertResult",
    "DatasetResult",
    "EngineUsed",
    "FloorPlane",
    "FrameSpan",
    "Gravity",
    "GroundPlane",
    "ImageInstances",
    "Instance",
    "Keypoint",
    "Manifest",
    "MaskChunk",
    "ObjectFailure",
    "ObjectResult",
    "ObjectViews",
    "ObjectsResult",
    "PromptRef",
    "Provenance",
    "RenderedView",
    "ScaleSource",
    "SceneNode",
    "SceneResult",
    "SegmentResult",
    "Side",
    "Track",
    "TrackResult",
]
