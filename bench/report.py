"""What a bench measured: printed as Markdown while it runs, written as JSON and Markdown when it ends."""

import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np


@dataclass(kw_only=True)
class Table:
    """Rows under named columns; `columns` maps each name to the format of its cells, as for `format`."""

    title: str
    columns: Mapping[str, str]
    stream: TextIO
    rows: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        print(self.head(), file=self.stream, flush=True)

    def add(self, *cells: Any) -> None:
        """Add and print a row; None means not measured. Raises ValueError for another number of cells."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for the columns {', '.join(self.columns)}")
        self.rows.append(list(cells))
        print(self.line(self.rows[-1]), file=self.stream, flush=True)

    def head(self) -> str:
        """The title and the names of the columns, as Markdown."""
        names = f"| {' | '.join(self.columns)} |\n|{'---|' * len(self.columns)}"
        return f"\n### {self.title}\n\n{names}" if self.title else f"\n{names}"

    def line(self, row: list[Any]) -> str:
        """A row as Markdown."""
        cells = [_text(cell, spec) for cell, spec in zip(row, self.columns.values(), strict=True)]
        return f"| {' | '.join(cells)} |"

    def markdown(self) -> str:
        return "\n".join([self.head(), *map(self.line, self.rows)])


@dataclass(kw_only=True)
class Report:
    """The figures and tables of one run of a bench."""

    bench: str
    options: Mapping[str, Any]
    stream: TextIO = sys.stdout
    figures: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=lambda: describe_machine())

    def table(self, title: str, columns: Mapping[str, str]) -> Table:
        """Start a table; its rows are printed as they are added."""
        table = Table(title=title, columns=columns, stream=self.stream)
        self.tables.append(table)
        return table

    def add(self, figures: Mapping[str, Any]) -> None:
        """Add and print named figures; they may be nested."""
        self.figures |= figures
        for name, value in _flat(figures):
            print(f"- {name}: {_text(value)}", file=self.stream, flush=True)

    def note(self, text: str) -> None:
        """Add and print a sentence."""
        self.notes.append(text)
        print(f"\n{text}", file=self.stream, flush=True)

    def markdown(self) -> str:
        """The whole report."""
        options = " ".join(f"{name}={value}" for name, value in self.options.items())
        head = f"# {self.bench}\n\nOptions: {options or 'none'}\n"
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        figures = "\n".join(f"- {name}: {_text(value)}" for name, value in _flat(self.figures))
        tables = [table.markdown() for table in self.tables]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([head, f"Machine: {machine}\n", figures, *tables, *notes, ""])

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write NAME.json and NAME.md into a folder, which is made if needed, and return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        record = {
            "bench": self.bench,
            "options": self.options,
            "machine": self.machine,
            "figures": self.figures,
            "tables": [
                {"title": table.title, "columns": list(table.columns), "rows": table.rows}
                for table in self.tables
            ],
            "notes": self.notes,
        }
        as_json, as_markdown = folder / f"{self.bench}.json", folder / f"{self.bench}.md"
        text = json.dumps(_plain(record), indent=1, allow_nan=False)
        as_json.write_text(text + "\n", encoding="utf-8")
        as_markdown.write_text(self.markdown(), encoding="utf-8")
        return as_json, as_markdown


def describe_machine() -> dict[str, Any]:
    """Processor, cores, the load average before the run, and the version of Python."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 1),
        "Python": platform.python_version(),
    }


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} / ")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any, spec: str = "") -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float | np.floating) and not spec:
        return f"{value:.4g}"
    return format(value, spec) if spec and not isinstance(value, str) else str(value)


def _plain(value: Any) -> Any:
    """The same in types that JSON has; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
