"""The engines and plug-ins of a pipeline, and the list of stages that they make."""

from dataclasses import dataclass

from workers.datasets.cameras.clip_camera import PoseSolver
from workers.datasets.protocols import (
    Captioner,
    CropEncoder,
    InverseDynamics,
    TrackSource,
    Workspace,
)
from workers.datasets.settings import DatasetSettings
from workers.datasets.stages.actions import ActionStage
from workers.datasets.stages.appearance import AppearanceStage
from workers.datasets.stages.base import ClipStage
from workers.datasets.stages.boxes3d import Box3dStage
from workers.datasets.stages.cameras import CameraStage
from workers.datasets.stages.captions import CaptionStage
from workers.datasets.stages.changes import ChangeStage
from workers.datasets.stages.gates import TrackGateStage
from workers.datasets.stages.measure import MeasureStage
from workers.datasets.stages.shards import ShardStage
from workers.datasets.stages.tracks import TrackStage
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import EngineInfo, ObjectEngine


@dataclass(frozen=True, slots=True)
class Components:
    """What does the work; without a component its output is left out, and the rows show that."""

    track_source: TrackSource
    objects: ObjectEngine | None = None
    solver: PoseSolver | None = None
    encoder: CropEncoder | None = None
    captioner: Captioner | None = None
    dynamics: InverseDynamics | None = None

    def list_engines(self, objects: EngineInfo | None) -> list[EngineInfo]:
        """The engines that a version names; `objects` is that of assets, which may run on another worker."""
        captioner = None if self.captioner is None else self.captioner.info
        return [info for info in (self.track_source.info, objects, captioner) if info is not None]


def build_clip_stages(
    components: Components, settings: DatasetSettings, workspace: Workspace, stopwatch: Stopwatch
) -> list[ClipStage]:
    """The stages of a clip, in their order."""
    stages: list[ClipStage] = [
        TrackStage(components.track_source, settings, stopwatch),
        MeasureStage(settings, stopwatch),
        CameraStage(components.solver),
        Box3dStage(),
        TrackGateStage(settings, components.track_source.info),
        CaptionStage(components.captioner, settings.policy),
        AppearanceStage(components.encoder, settings.crops),
        ActionStage(components.dynamics),
    ]
    if settings.changes:
        stages.append(ChangeStage(settings.changes))
    return [*stages, ShardStage(workspace, stages, settings.seed)]
