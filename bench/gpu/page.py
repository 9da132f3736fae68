"""docs/gpu.md: what a run on a GPU has measured, and what it has not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs/gpu.md"
HEAD = """# On a GPU

This page is written by one command in a clone, on a machine with a GPU, Python 3.11 and `make`:

```sh
make bench-gpu
```

It installs torch for CUDA and the rest into `.venv-gpu` (once, several GB), then measures for six minutes at
most. It needs no weights. Where torch sees no GPU that it can use, it says why and leaves this page as it is.

The network is SAM 3 of the published size with **random weights**: figures are speed and memory, never
quality. Ratios compare what one run measured on one machine, in turns. What was not run says so.
"""


@dataclass(slots=True)
class Section:
    """One part of the page: a table, or text, or why it was not run."""

    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: list[Sequence[Any]] = field(default_factory=list)
    not_run: str | None = None

    def markdown(self) -> str:
        """The section as Markdown."""
        parts = [f"## {self.title}"]
        if self.text:
            parts.append(self.text)
        if self.not_run is not None:
            parts.append(f"**Not run:** {self.not_run}.")
        if self.rows:
            lines = [f"| {' | '.join(self.columns)} |", "|" + "---|" * len(self.columns)]
            lines += [f"| {' | '.join(map(write_cell, row))} |" for row in self.rows]
            parts.append("\n".join(lines))
        return "\n\n".join(parts)


def write_cell(value: Any) -> str:
    """A cell of a table; what is unknown is a dash."""
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_page(machine: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """The text of the page."""
    facts = "\n".join(f"| {name} | {write_cell(value)} |" for name, value in machine.items())
    table = f"## Machine\n\n| what | value |\n|---|---|\n{facts}"
    return "\n\n".join([HEAD.rstrip(), table, *(section.markdown() for section in sections)]) + "\n"
