"""The reference page of exporters, generated from their declarations.

`python -m workers.datasets.exporters.reference docs/reference/exporters.md`
"""

import sys
from collections.abc import Iterable
from inspect import cleandoc
from pathlib import Path
from textwrap import fill

from workers.datasets.exporters import EXPORTERS, load_exporter_class
from workers.datasets.exporters.base import EXPORT_NOTE, EXTRA, Exporter, OptionSpec

LINE_LENGTH = 118
INTRODUCTION = f"""\
# Exporters

This page is generated from the declarations in `workers/datasets/exporters`:
`python -m workers.datasets.exporters.reference docs/reference/exporters.md`.
[Export a dataset](../how-to/export-a-dataset.md) has the commands, and code that reads each format.

- An export is a copy of a dataset folder that another tool reads. The same dataset gives the same bytes,
  except for Lance, whose library adds names and times of its own.
- Every export has a file `{EXPORT_NOTE}`: the version of the dataset, the options, what the format loses,
  what was left out and why, and the licence of each source with its clips. Use it to remove a source.
- An unknown value stays unknown: null in JSON and Parquet, NaN in arrays. Where a format cannot say so, the
  clip is left out, and `{EXPORT_NOTE}` says why.
- A format that lists libraries under "Needs" is installed by `pip install 'maquette-server[{EXTRA}]'`;
  without them the error is `extra_missing`.
"""


def render_page() -> str:
    """The page as Markdown."""
    exporters = [load_exporter_class(name) for name in sorted(EXPORTERS)]
    lines = ["", "| format | description |", "|---|---|"]
    lines += [f"| [`{item.name}`](#{item.name}) | {item.summary} |" for item in exporters]
    return INTRODUCTION + "\n".join(lines) + "\n" + "".join(_render_exporter(item) for item in exporters)


def _render_exporter(exporter: type[Exporter]) -> str:
    lines = ["", f"## {exporter.name}"]
    for paragraph in cleandoc(exporter.__doc__ or "").split("\n\n"):
        items = " ".join(paragraph.split()).split(" - ") if paragraph.startswith("- ") else []
        text = _render_list(item.removeprefix("- ") for item in items) if items else _fill(paragraph)
        lines += ["", text]
    if exporter.libraries:
        lines += ["", "Needs " + " and ".join(f"`{name}`" for name in exporter.libraries) + "."]
    lines += ["", "Loses:", "", _render_list(exporter.loses)]
    options = exporter.list_options()
    if options:
        lines += ["", "| option | type | default | description |", "|---|---|---|---|"]
        lines += [_render_option(option) for option in options]
    return "\n".join(lines) + "\n"


def _render_list(items: Iterable[str]) -> str:
    return "\n".join(_fill(f"- {item}", indent="  ") for item in items)


def _fill(text: str, indent: str = "") -> str:
    return fill(" ".join(text.split()), LINE_LENGTH, subsequent_indent=indent, break_on_hyphens=False)


def _render_option(option: OptionSpec) -> str:
    kind = option.type.replace("'", "`")
    return f"| `{option.name}` | {kind} | `{option.default!r}` | {option.description} |"


def main() -> None:
    """Write the page to the path given."""
    Path(sys.argv[1]).write_text(render_page())


if __name__ == "__main__":
    main()
