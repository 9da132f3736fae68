"""The body of `POST /v1/jobs`: one model per kind of job, each validating itself."""

from typing import Annotated

from pydantic import Field

from maquette.contract.requests.bodies import BodiesJob
from maquette.contract.requests.common import Direction, EngineName, JobBase, JobId, PromptedJob
from maquette.contract.requests.convert import ConvertJob, SplatView
from maquette.contract.requests.dataset import DatasetJob, DatasetOptions
from maquette.contract.requests.engine_options import ENGINE_OPTIONS, EngineOption, list_lacking
from maquette.contract.requests.generation import Generation
from maquette.contract.requests.objects import ObjectsJob, ReconstructionJob
from maquette.contract.requests.person_prompts import KeypointPrompt, PersonPrompt
from maquette.contract.requests.regions import Misfit, Region, find_misfit, report_no_object
from maquette.contract.requests.scene import SceneJob
from maquette.contract.requests.segment import SegmentJob
from maquette.contract.requests.track import TrackJob

JobRequest = Annotated[
    SegmentJob | TrackJob | ObjectsJob | BodiesJob | SceneJob | ConvertJob | DatasetJob,
    Field(discriminator="kind"),
]

__all__ = [
    "ENGINE_OPTIONS",
    "BodiesJob",
    "ConvertJob",
    "DatasetJob",
    "DatasetOptions",
    "Direction",
    "EngineName",
    "EngineOption",
    "Generation",
    "JobBase",
    "JobId",
    "JobRequest",
    "KeypointPrompt",
    "Misfit",
    "ObjectsJob",
    "PersonPrompt",
    "PromptedJob",
    "ReconstructionJob",
    "Region",
    "SceneJob",
    "SegmentJob",
    "SplatView",
    "TrackJob",
    "find_misfit",
    "list_lacking",
    "report_no_object",
]
