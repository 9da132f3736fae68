"""What a stage is: a step of the pipeline that declares what it needs and what its output depends on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from workers.datasets.clip_batch import ClipBatch
from workers.datasets.stages.keys import StageKey
from workers.datasets.tasks import ClipTask

# where an executor runs a stage: on any worker, or on one whose engine holds a GPU
Resources = Literal["cpu", "gpu"]
B = TypeVar("B")


class Stage(Protocol[B]):
    """A pure step: the same batch, version, parameters and weights give the same output.

    `version` is raised whenever the output changes for the same input.
    """

    @property
    def name(self) -> str:
        """Names the stage in lineage, cache keys and timings."""
        ...

    @property
    def version(self) -> str:
        """The version of the stage's code."""
        ...

    @property
    def resources(self) -> Resources:
        """What the worker that runs it has to have."""
        ...

    def run(self, batch: B) -> B:
        """The batch with what this stage adds."""
        ...


class ClipStage(ABC):
    """A stage over one clip; its cache key comes from what it declares here.

    `reads_annotations` says that the output depends on what is known about the source (cameras, poses,
    actions).
    """

    name: ClassVar[str]
    version: ClassVar[str]
    reads_annotations: ClassVar[bool] = False
    resources: Resources = "cpu"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings that change the output."""
        return {}

    @property
    def weights(self) -> Mapping[str, str]:
        """The weights that change the output: file to sha256."""
        return {}

    def key(self, task: ClipTask) -> StageKey:
        """What the output for a clip depends on."""
        inputs = task.annotated_inputs if self.reads_annotations else task.inputs
        return StageKey(self.name, self.version, inputs, self.parameters, self.weights)

    @abstractmethod
    def run(self, batch: ClipBatch) -> ClipBatch:
        """The clip with what this stage adds."""
