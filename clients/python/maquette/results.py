"""Results as users meet them: masks as arrays, artefacts as files."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from maquette import contract, rle
from maquette.calls import Operation, download
from maquette.contract import Artefact, Job, Manifest, Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Run = Callable[[Operation[Any]], Any]
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
    """What a job made. `data` is the typed result; `save` fetches every artefact."""

    def __init__(self, job: Job, run: Run) -> None:
        if job.result is None:
            raise ValueError(f"job {job.id} has no result")
        self.job = job
        self._run = run

    @property
    def manifest(self) -> Manifest:
        """The whole manifest."""
        assert self.job.result is not None
        return self.job.result

    @property
    def data(self) -> R:
        """The result as the contract has it."""
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
        """What to know before trusting the result."""
        return self.manifest.flags

    @property
    def reason(self) -> str | None:
        """Why nothing was found."""
        return self.manifest.reason

    def save(self, folder: str | Path) -> Any:
        """Write every artefact and `result.json`; gives the folder (to be awaited with AsyncMaquette)."""
        return self._run(self._save(Path(folder)))

    def _save(self, folder: Path) -> Operation[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        for artefact in self.artefacts:
            yield from download(artefact, folder)
        (folder / "result.json").write_text(self.manifest.model_dump_json(indent=1) + "\n")
        return folder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.job.id}>"


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


class SegmentResult(Result[contract.SegmentResult]):
    """Masks of an image."""

    @cached_property
    def instances(self) -> list[Instance]:
        """All instances, in the order of the prompts."""
        return [Instance(item) for item in self.data.instances]


class TrackResult(Result[contract.TrackResult]):
    """Tracks of a video; masks are in the `masks` artefacts."""

    @property
    def tracks(self) -> list[contract.Track]:
        """The tracks, by id."""
        return self.data.tracks


class ObjectsResult(Result[contract.ObjectsResult]):
    """Objects in 3D."""

    @property
    def objects(self) -> list[contract.ObjectResult]:
        """The objects that were lifted."""
        return self.data.objects


class BodiesResult(Result[contract.BodiesResult]):
    """Rigged bodies of an image, or moving ones of a video."""

    @property
    def bodies(self) -> list[contract.BodyResult]:
        """The bodies that were found in an image."""
        return self.data.bodies

    @property
    def tracks(self) -> list[contract.BodyTrack]:
        """The people of a video, by their track's id."""
        return self.data.tracks


class SceneResult(Result[contract.SceneResult]):
    """Objects and bodies in one camera frame."""

    @property
    def nodes(self) -> list[contract.SceneNode]:
        """The things of the scene."""
        return self.data.nodes


class ConvertResult(Result[contract.ConvertResult]):
    """An asset in other formats."""


class DatasetResult(Result[contract.DatasetResult]):
    """A dataset version."""


AnyResult = (
    SegmentResult | TrackResult | ObjectsResult | BodiesResult | SceneResult | ConvertResult | DatasetResult
)
KINDS: dict[str, type[AnyResult]] = {
    "segment": SegmentResult,
    "track": TrackResult,
    "objects": ObjectsResult,
    "bodies": BodiesResult,
    "scene": SceneResult,
    "convert": ConvertResult,
    "dataset": DatasetResult,
}


def result_of(job: Job, run: Run) -> AnyResult:
    """The result of a succeeded job, by its kind."""
    return KINDS[job.kind](job, run)
