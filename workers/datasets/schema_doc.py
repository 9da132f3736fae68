"""The reference page of the schema: `python -m workers.datasets.schema_doc docs/reference/schema.md`."""

import sys
from pathlib import Path

from workers.datasets.schema import SCHEMA, SCHEMA_VERSION, TABLES, TableSpec, list_columns

PARQUET_TYPES = {
    "str": "string",
    "int": "int64",
    "float": "double",
    "bool": "bool",
    "bytes": "binary",
    "strings": "list<string>",
    "floats": "list<double>",
}
INTRODUCTION = f"""\
# Schema of datasets

`{SCHEMA}` version {SCHEMA_VERSION}. This page is generated from `workers/datasets/schema`:
`python -m workers.datasets.schema_doc docs/reference/schema.md`.

Conventions of every table: OpenCV camera axes (x right, y down, z forward), pixel centres at +0.5,
boxes xyxy end-exclusive, masks COCO compressed RLE, quaternions wxyz, z-depth. An unknown value is
null, never zero.

A table with one file per clip is stored as `<table>-<clip>.parquet` with one row group each; the
others are `<table>.parquet`. `dataset.json` lists every file with its sha256; the sha256 of
`dataset.json` is the version. `dataset.sig.json` is its signature, when the worker has a key.
"""


def render_page() -> str:
    """The page as Markdown."""
    return INTRODUCTION + "".join(_render_table(table) for table in TABLES.values())


def _render_table(table: TableSpec) -> str:
    note = f"One file per {'clip' if table.per_clip else 'dataset'}."
    if table.key:
        note += f" Key: {', '.join(f'`{name}`' for name in table.key)}."
    lines = ["", f"## {table.name}", "", table.description, "", note, ""]
    lines += ["| column | type | null | description |", "|---|---|---|---|"]
    for column in list_columns(table.row):
        null = "yes" if column.nullable else ""
        lines.append(f"| `{column.name}` | {PARQUET_TYPES[column.kind]} | {null} | {column.doc} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page to the path given."""
    Path(sys.argv[1]).write_text(render_page())


if __name__ == "__main__":
    main()
