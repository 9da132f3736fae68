"""What all benchmarks have in common: samples, an engine's answers as JSON, and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workers.engines.protocols import EngineKind

# what is kept of one sample: JSON that is enough to score it again without the engine
Record = Mapping[str, Any]
# None where nothing was measured
Scores = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What an engine answers at a time; `files` are the media that the answer depends on."""

    id: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A figure that others published: of which model, and where it stands."""

    metric: str
    value: float
    model: str
    source: str


class Benchmark(Protocol):
    """One benchmark on one dataset folder.

    `settings` is a frozen dataclass whose defaults are the paper's; `notes` say what a reader must know
    before comparing figures. `version` is raised when what is kept of a sample is computed otherwise, so that
    records of older versions are not taken over.
    """

    name: str
    version: int
    kind: EngineKind
    settings: Any
    published: Sequence[Published]
    notes: Sequence[str]

    @property
    def full_size(self) -> int | None:
        """Samples of the benchmark as published, None where that is not known in samples."""
        ...

    def annotations(self) -> Sequence[Path]:
        """The files of the ground truth; their hashes identify the dataset."""
        ...

    def samples(self) -> Sequence[Sample]:
        """All samples in a fixed order."""
        ...

    def answer(self, sample: Sample, engine: Any) -> Record:
        """Ask an engine of this benchmark's kind; what it refuses is part of the record."""
        ...

    def score(self, records: Mapping[str, Record]) -> Scores:
        """The metrics over records by the ids of their samples; there may be fewer than samples."""
        ...

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """Write the answers as the benchmark's official evaluator reads them; nothing where there is none."""
        ...
