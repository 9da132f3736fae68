"""Formats a dataset can be written as; a format's module is imported when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset


class Exporter(Protocol):
    """Writes a dataset as one format; `loses` says in words what the format cannot hold."""

    @property
    def name(self) -> str:
        """What the format is called on the command line; its folder has this name too."""
        ...

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        ...

    @property
    def loses(self) -> tuple[str, ...]:
        """What the format cannot hold, or what is not put into it."""
        ...

    def write(self, dataset: Dataset, out: Path, **options: Any) -> Sequence[Path]:
        """Write the kept clips under `out` (an empty folder) and give the files; raises DatasetError."""
        ...


# format -> "module:class"
EXPORTERS: dict[str, str] = {}


def exporter(name: str) -> Exporter:
    """The exporter of a format; raises DatasetError `format_unknown`."""
    if name not in EXPORTERS:
        known = ", ".join(sorted(EXPORTERS)) or "none yet"
        raise DatasetError("format_unknown", f"no format is called {name!r}; known: {known}")
    module, made = EXPORTERS[name].split(":")
    found: Exporter = getattr(import_module(module), made)()
    return found
