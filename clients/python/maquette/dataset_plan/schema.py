"""What a plan holds: the options of a dataset job, and its inputs and outputs on this machine."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from maquette.contract import export_options
from maquette.contract.base import RequestModel
from maquette.contract.datasets import (
    Bounds,
    BucketInput,
    GateName,
    Review,
    ShortText,
    SourceFacts,
)
from maquette.contract.media import MediaRef
from maquette.contract.prompts import RequiredPhrases
from maquette.contract.requests import DatasetOptions
from maquette.contract.requests.dataset import ProblemCode


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _refuse_nothing(value: Any) -> Any:
    if value == "":
        raise ValueError("it is empty")
    return value


FilePath = Annotated[Path, BeforeValidator(_refuse_nothing)]
Names = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_to_list)]


class PlanDepth(RequestModel):
    """Depth maps of a video on this machine, and what their numbers mean."""

    media: MediaRef | FilePath
    """A folder of numbered 16-bit PNG or TIFF files, a NumPy file (.npy, .npz) of shape (T, H, W), or an
    upload."""
    measures: Literal["z", "distance"] = "z"
    """What depths are: z along the optical axis, or the distance along each pixel's ray."""
    metres_per_unit: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Metres per unit; unset is 0.001 for integers and 1 for floats."""


def _to_depth_table(value: Any) -> Any:
    return {"media": value} if isinstance(value, str | Path) else value


Depth = Annotated[PlanDepth, BeforeValidator(_to_depth_table)]


class PlanSource(SourceFacts):
    """What is known of one video."""

    depth: Depth | None = None
    """Depth map of each decoded frame: a path, or a table with the path as `media`."""


class PlanInput(RequestModel):
    """The videos, and what is known of them."""

    videos: Annotated[Names, Field(min_length=1)]
    """Videos, folders of videos or of numbered frames, globs, https addresses, buckets (s3://...), uploads
    (upload: and their sha256), and @FILE for a list of these, one per line."""
    numbered_rate: Annotated[float, Field(gt=0, le=240)] = BucketInput.model_fields["frame_rate"].default
    """Frames per second of folders of numbered frames."""
    remote: bool = False
    """Let workers read buckets themselves, instead of copying their videos through this machine."""
    depth: Depth | None = None
    """Depth of the only video: a folder of numbered 16-bit PNG or TIFF files, or a NumPy file."""
    sources_file: FilePath | None = None
    """JSON file that maps names of videos to what is known of them: licence, camera, depth, ..."""
    source: SourceFacts = SourceFacts()
    """What is known of every video."""
    sources: dict[str, PlanSource] = {}
    """What is known of single videos, by name with or without suffix, or by the sha256 of an upload; it
    overrides `source`."""
    skipped: dict[ShortText, ProblemCode] = {}
    """Videos that an earlier run left out, by name, with the code why; they are reported again."""


class PlanOutput(RequestModel):
    """Where the dataset goes."""

    folder: FilePath | None = None
    """Folder to download the dataset to; unset leaves it with the service."""
    formats: Names = []
    """Formats to export to, beside the dataset in `folder` (needs maquette-server)."""
    options: dict[str, dict[str, bool | int | float | str]] = {}
    """Options of these formats; a table per format."""

    @model_validator(mode="after")
    def _check_formats(self) -> "PlanOutput":
        if self.formats and self.folder is None:
            raise ValueError("'formats' needs a 'folder' to write to")
        if len(set(self.formats)) != len(self.formats):
            raise ValueError("'formats' has a format twice")
        if strange := sorted(set(self.options) - set(self.formats)):
            raise ValueError(f"'options' has {', '.join(strange)}, which 'formats' has not")
        for name, options in self.options.items():
            # which formats there are is for the exporters to say
            if name in export_options.NAMES:
                export_options.parse_export(name, options)
        return self


class PlanRegate(RequestModel):
    """What a finished version is decided by again: bounds of gates, decisions by hand, or both."""

    gates: dict[GateName, Bounds] = {}
    """Bounds that replace those of the version, by gate."""
    reviews: list[Review] = []
    """Clips and tracks that a person keeps or rejects, whatever the gates say."""

    @model_validator(mode="after")
    def _check(self) -> "PlanRegate":
        if not self.gates and not self.reviews:
            raise ValueError("give 'gates', 'reviews', or both")
        return self


class DatasetPlan(DatasetOptions):
    """Everything about a dataset: options of the job, inputs and outputs."""

    text: Annotated[RequiredPhrases, BeforeValidator(_to_list)]
    """Phrases, also several in one string, joined by commas; each names every instance of a concept."""
    input: PlanInput
    """The videos, and what is known of them."""
    output: PlanOutput = PlanOutput()
    """Where the dataset goes."""
    regates: list[PlanRegate] = []
    """What the version is decided by again, one after the other: each makes a new version of the one before,
    and the last is that of the plan."""

    def job_options(self) -> dict[str, Any]:
        """Return the options as fields of a DatasetJob; those that are not set are left out."""
        return self.model_dump(exclude={"input", "output", "regates"}, exclude_none=True)
