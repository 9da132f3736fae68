"""The interface of an exporter: its name, what it loses, its options and the libraries it needs."""

from abc import ABC, abstractmethod
from collections import defaultdict
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from workers.datasets.dataset_rates import count_rates
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.export_writer import ExportWriter, ReportCallback, ignore_progress
from workers.datasets.exporters.option_limits import Range
from workers.datasets.exporters.part_store import PartStore
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.reader import Dataset

EXPORT_NOTE = "maquette.json"
# the extra of maquette-server that installs the libraries of all exporters
EXTRA = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """An option of an exporter: a field of its class. `kind` is bool, int, float or a Literal."""

    name: str
    kind: Any
    default: Any
    description: str
    limits: Range | None = None

    @property
    def type(self) -> str:
        """The kind in words, with its limits."""
        if get_origin(self.kind) is Literal:
            return " or ".join(repr(value) for value in get_args(self.kind))
        name: str = self.kind.__name__
        if self.limits is None:
            return name
        low, high = (f"{self.kind(bound):,}" for bound in (self.limits.low, self.limits.high))
        return f"{name} from {low} to {high}"

    def convert(self, value: Any) -> Any:
        """A value as the kind; raises ValueError."""
        if get_origin(self.kind) is Literal:
            if value in get_args(self.kind):
                return value
        elif self.kind is bool:
            if isinstance(value, bool) or str(value).lower() in ("true", "false"):
                return str(value).lower() == "true"
        elif not isinstance(value, bool):
            with suppress(TypeError, ValueError):
                number = self.kind(value)
                if self._holds(number) and (isinstance(value, str) or number == value):
                    return number
        raise ValueError(f"it must be {self.type}")

    def _holds(self, number: float) -> bool:
        return self.limits is None or self.limits.low <= number <= self.limits.high


@dataclass(frozen=True)
class Exporter(ABC):
    """A format that a dataset can be exported to.

    A subclass is a frozen dataclass. It declares the class variables below; its fields are its options, each
    `Annotated[type, "description"]` with a default, numbers with a `Range` too; its docstring describes the
    files. It implements `export`. `EXPORTERS` lists it; docs/reference/exporters.md and the models of
    requests are generated from these declarations.

    Every export has a file `maquette.json`: the version of the dataset, its rates, the options, what the
    format loses, what was left out of this export and why, and the licence of each source with its clips, so
    that a source can be removed from an export too.
    """

    # on the command line, and of the folder of the export
    name: ClassVar[str]
    summary: ClassVar[str]
    # what the format cannot hold, or what this exporter does not write
    loses: ClassVar[tuple[str, ...]]
    # modules that are not installed with the server
    libraries: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def list_options(cls) -> list[OptionSpec]:
        """The options with their types, defaults and descriptions."""
        hints = get_type_hints(cls, include_extras=True)
        options = []
        for item in fields(cls):
            assert item.default is not MISSING
            kind, description, *limits = get_args(hints[item.name])
            options.append(
                OptionSpec(
                    name=item.name,
                    kind=kind,
                    default=item.default,
                    description=description,
                    limits=limits[0] if limits else None,
                )
            )
        return options

    def configure(self, **options: Any) -> Self:
        """The exporter with other options; text, as of a command line, becomes the type of the option.

        Raises DatasetError `option_unknown` or `option_invalid`.
        """
        known = {option.name: option for option in self.list_options()}
        if unknown := sorted(set(options) - set(known)):
            raise DatasetError(
                "option_unknown",
                f"{self.name} has no option {', '.join(unknown)}; known: {', '.join(sorted(known))}",
            )
        converted = {}
        for name, value in options.items():
            try:
                converted[name] = known[name].convert(value)
            except ValueError as error:
                detail = f"{name} of {self.name} is {value!r}; {error}"
                raise DatasetError("option_invalid", detail) from error
        return replace(self, **converted)

    @classmethod
    def check_libraries(cls) -> None:
        """Raise DatasetError `extra_missing` when a library is not installed."""
        for library in cls.libraries:
            import_library(library)

    def write(
        self,
        dataset: Dataset,
        out: Path,
        *,
        workers: int = 1,
        resume: bool = False,
        report: ReportCallback = ignore_progress,
        **options: Any,
    ) -> int:
        """Write the kept clips to the folder `out` and return how many files; `workers` threads build them.

        `report` gets the clips that are done and their number; what it raises ends the export.

        With `resume`, what was built is kept under `.parts` until the export ends, and an export that was
        stopped goes on where it was. The files are the same either way.

        Raises DatasetError `option_unknown`, `option_invalid`, `dataset_conflict` when `out` has the
        beginning of another export, or `extra_missing` when a library is not installed.
        """
        configured = self.configure(**options)
        self.check_libraries()
        parts = PartStore(out, configured._describe_run(dataset)) if resume else None
        writer = ExportWriter(dataset, out, workers, parts, report)
        try:
            configured.export(writer)
        except DatasetError:
            # refused before anything was written: nothing is to go on from
            if parts is not None and not writer.files:
                parts.remove()
            raise
        writer.write(encode_json(configured._describe_export(writer)), EXPORT_NOTE)
        if parts is not None:
            parts.remove()
        return writer.files

    @abstractmethod
    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""

    def _describe_run(self, dataset: Dataset) -> dict[str, Any]:
        """What must be equal for the parts of one run to be those of another."""
        return {
            "format": self.name,
            "dataset_version": dataset.version,
            "code_version": version("maquette-server"),
            "options": {item.name: getattr(self, item.name) for item in fields(self)},
        }

    def _describe_export(self, writer: ExportWriter) -> dict[str, Any]:
        """The content of `maquette.json`."""
        clips: dict[str, list[str]] = defaultdict(list)
        for clip in writer.clips():
            clips[clip.source.source].append(clip.id)
        sources = [
            {
                "source": source.source,
                "name": source.name,
                "licence": source.licence,
                "consent": source.consent,
                "attribution": source.attribution,
                "clips": clips[source.source],
            }
            for source in writer.dataset.sources.values()
            if source.source in clips
        ]
        return {
            "format": self.name,
            "dataset_version": writer.dataset.version,
            "options": {item.name: getattr(self, item.name) for item in fields(self)},
            "frame_rates": count_rates(writer.dataset.clip_rows),
            "loses": list(self.loses),
            "left_out": writer.omissions,
            "sources": sources,
        }


def import_library(module: str) -> Any:
    """Import a library that only some exporters need; raises DatasetError `extra_missing`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DatasetError(
            "extra_missing", f"{module} is missing: pip install 'maquette-server[{EXTRA}]'"
        ) from error
