"""Results of jobs, with masks as arrays and artefacts as files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel

from maquette import contract, html_tables, rle
from maquette.contract import Artefact, Job, Manifest, Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# saves all artefacts in a folder; returns the folder, or an awaitable of it with AsyncMaquette
SaveResult = Callable[[Manifest, Path], Any]
R = TypeVar(
    "R",
    contract.SegmentResult,
    contract.TrackResult,
    contract.ObjectsResult,
    contract.BodiesResult,
    contract.SceneResult,
    contract.ConvertResult,
    contract.DatasetResult,
)


class Result(Generic[R]):
    """The result of a succeeded job; `data` is the typed result of the contract."""

    def __init__(self, job: Job, save_result: SaveResult) -> None:
        if job.result is None:
            raise ValueError(f"job {job.id} has no result")
        self.job = job
        self._save_result = save_result

    @property
    def manifest(self) -> Manifest:
        """The manifest."""
        assert self.job.result is not None
        return self.job.result

    @property
    def data(self) -> R:
        """The typed result."""
        return cast(R, self.manifest.result)

    @property
    def artefacts(self) -> list[Artefact]:
        """The files of the result."""
        return self.manifest.artefacts

    @property
    def provenance(self) -> Provenance:
        """Engines, weights, seed and sources."""
        return self.manifest.provenance

    @property
    def flags(self) -> list[str]:
        """Machine-readable warnings about the result."""
        return self.manifest.flags

    @property
    def reason(self) -> str | None:
        """Why the result is empty; None otherwise."""
        return self.manifest.reason

    def save(self, folder: str | Path) -> Any:
        """Save every artefact and `result.json`; returns the folder (await it with AsyncMaquette)."""
        return self._save_result(self.manifest, Path(folder))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.job.id}>"

    def _repr_html_(self) -> str:
        """Return tables for a notebook: what is known of the result, and each of its items."""
        known = {"flags": self.flags, "reason": self.reason, "files": [a.name for a in self.artefacts]}
        tables = [html_tables.render_fields(repr(self), known)]
        for name in type(self.data).model_fields:
            items = getattr(self.data, name)
            if isinstance(items, list) and items and all(isinstance(item, BaseModel) for item in items):
                tables.append(html_tables.render_models(name, items))
        return "".join(tables)


class Instance:
    """One object in an image."""

    def __init__(self, data: contract.Instance) -> None:
        self.data = data
        self.index = data.index
        self.label = data.label
        self.score = data.score
        self.box = data.box.xyxy()
        self.area = data.area
        self.flags = data.flags

    @cached_property
    def mask(self) -> "NDArray[np.bool_]":
        """The mask, bool of shape (H, W)."""
        return rle.decode(self.data.mask)

    def __repr__(self) -> str:
        return f"<Instance {self.index} {self.label!r} score={self.score} box={self.box}>"

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        names = ("index", "label", "score", "box", "area", "flags")
        return html_tables.render_fields("Instance", {name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class PromptResult:
    """What a prompt of a video session did.

    `object` is the id of the prompt's object, `preview` its mask on the frame. That is None where the prompt
    removes the object, or has only points off it and no propagation has reached the frame yet.
    """

    object: int
    preview: Instance | None


class SegmentResult(Result[contract.SegmentResult]):
    """Masks of an image, and of the further images of its batch."""

    @cached_property
    def instances(self) -> list[Instance]:
        """All instances, in the order of the prompts."""
        return [Instance(item) for item in self.data.instances]

    @cached_property
    def images(self) -> list[list[Instance]]:
        """The instances of each further image of the request, in its order."""
        return [[Instance(item) for item in image.instances] for image in self.data.images]


class TrackResult(Result[contract.TrackResult]):
    """Tracks of a video; `Job.frames` reads their masks."""

    @property
    def tracks(self) -> list[contract.Track]:
        """The tracks, by id."""
        return self.data.tracks


class ObjectsResult(Result[contract.ObjectsResult]):
    """Objects in 3D."""

    @property
    def objects(self) -> list[contract.ObjectResult]:
        """The reconstructed objects."""
        return self.data.objects

    @property
    def ground(self) -> contract.GroundPlane | None:
        """The plane of the floor under the request's `ground`; None where it was not asked for."""
        return self.data.ground


class BodiesResult(Result[contract.BodiesResult]):
    """Rigged bodies of an image, or animated ones of a video."""

    @property
    def bodies(self) -> list[contract.BodyResult]:
        """The people of an image."""
        return self.data.bodies

    @property
    def tracks(self) -> list[contract.BodyTrack]:
        """The people of a video."""
        return self.data.tracks


class SceneResult(Result[contract.SceneResult]):
    """Objects and bodies in one camera frame."""

    @property
    def nodes(self) -> list[contract.SceneNode]:
        """The objects and bodies of the scene."""
        return self.data.nodes

    @property
    def ground(self) -> contract.GroundPlane | None:
        """As that of objects."""
        return self.data.ground


class ConvertResult(Result[contract.ConvertResult]):
    """An asset in other formats."""

    @property
    def dropped(self) -> dict[contract.AssetFormat, dict[contract.AssetPart, int]]:
        """What the asset has and a file has not, with counts, by format."""
        return self.data.dropped


class DatasetResult(Result[contract.DatasetResult]):
    """A dataset version."""


AnyResult = (
    SegmentResult | TrackResult | ObjectsResult | BodiesResult | SceneResult | ConvertResult | DatasetResult
)
RESULT_CLASSES: dict[str, type[AnyResult]] = {
    "segment": SegmentResult,
    "track": TrackResult,
    "objects": ObjectsResult,
    "bodies": BodiesResult,
    "scene": SceneResult,
    "convert": ConvertResult,
    "dataset": DatasetResult,
}


def build_result(job: Job, save_result: SaveResult) -> AnyResult:
    """Return the result of a succeeded job as the class of its kind."""
    return RESULT_CLASSES[job.kind](job, save_result)
