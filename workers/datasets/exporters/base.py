"""The interface of an exporter: its name, what it loses, its options and the libraries it needs."""

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import MISSING, dataclass, fields, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import PartStore
from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.reader import Dataset

EXPORT_NOTE = "maquette.json"
# the extra of maquette-server that installs the libraries of all exporters
EXTRA = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """An option of an exporter: a field of its class."""

    name: str
    type: str
    default: Any
    description: str


@dataclass(frozen=True)
class Exporter(ABC):
    """A format that a dataset can be exported to.

    A subclass is a frozen dataclass. It declares the class variables below; its fields are its options, each
    `Annotated[type, "description"]` with a default; its docstring describes the files. It implements
    `export`. `EXPORTERS` lists it, and docs/reference/exporters.md is generated from these declarations.

    Every export has a file `maquette.json`: the version of the dataset, the options, what the format loses,
    what was left out of this export and why, and the licence of each source with its clips, so that a source
    can be removed from an export too.
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
            kind, description = get_args(hints[item.name])
            options.append(
                OptionSpec(
                    name=item.name,
                    type=getattr(kind, "__name__", "") if isinstance(kind, type) else _format_literal(kind),
                    default=item.default,
                    description=description,
                )
            )
        return options

    def configure(self, **options: Any) -> Self:
        """The exporter with other options; text, as of a command line, becomes the type of the option.

        Raises DatasetError `option_unknown` or `option_invalid`.
        """
        hints = get_type_hints(type(self), include_extras=True)
        known = {item.name: get_args(hints[item.name])[0] for item in fields(self)}
        if unknown := sorted(set(options) - set(known)):
            raise DatasetError(
                "option_unknown",
                f"{self.name} has no option {', '.join(unknown)}; known: {', '.join(sorted(known))}",
            )
        return replace(
            self, **{name: _convert(self.name, name, value, known[name]) for name, value in options.items()}
        )

    def write(
        self, dataset: Dataset, out: Path, *, workers: int = 1, resume: bool = False, **options: Any
    ) -> list[Path]:
        """Write the kept clips to the folder `out` and return the files; `workers` threads build them.

        With `resume`, what was built is kept under `.parts` until the export ends, and an export that was
        stopped goes on where it was. The files are the same either way.

        Raises DatasetError `option_unknown`, `option_invalid`, `dataset_conflict` when `out` has the
        beginning of another export, or `extra_missing` when a library is not installed.
        """
        configured = self.configure(**options)
        for library in self.libraries:
            import_library(library)
        parts = PartStore(out, configured._describe_run(dataset)) if resume else None
        writer = ExportWriter(dataset, out, workers, parts)
        configured.export(writer)
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


def _convert(exporter: str, name: str, value: Any, kind: Any) -> Any:
    """A value of an option as its type; raises DatasetError `option_invalid`."""
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
    elif kind is bool:
        if isinstance(value, bool) or str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
    else:
        try:
            return kind(value)
        except (TypeError, ValueError):
            pass
    wanted = _format_literal(kind) if get_origin(kind) is Literal else kind.__name__
    raise DatasetError("option_invalid", f"{name} of {exporter} is {value!r}; it must be {wanted}")


def _format_literal(kind: Any) -> str:
    return " or ".join(repr(value) for value in get_args(kind))
