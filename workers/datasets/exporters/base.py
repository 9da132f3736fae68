"""The interface of an exporter: its name, what it loses, its options and the libraries it needs."""

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import MISSING, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

from workers.datasets.errors import DatasetError
from workers.datasets.exporters.export_writer import ExportWriter
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

    def write(self, dataset: Dataset, out: Path, **options: Any) -> list[Path]:
        """Write the kept clips to the folder `out` and return the files.

        Raises DatasetError `option_unknown`, or `extra_missing` when a library is not installed.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(options) - known):
            raise DatasetError(
                "option_unknown",
                f"{self.name} has no option {', '.join(unknown)}; known: {', '.join(sorted(known))}",
            )
        for library in self.libraries:
            import_library(library)
        configured = replace(self, **options)
        writer = ExportWriter(dataset, out)
        configured.export(writer)
        writer.write(encode_json(configured._describe_export(writer)), EXPORT_NOTE)
        return writer.files

    @abstractmethod
    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""

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


def _format_literal(kind: Any) -> str:
    return " or ".join(repr(value) for value in get_args(kind))
