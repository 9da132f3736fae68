"""docs/schema.md from the row classes: `python -m workers.datasets.schema_doc docs/schema.md`."""

import sys
from pathlib import Path

from workers.datasets.schema import SCHEMA, SCHEMA_VERSION, TABLES, list_columns

PARQUET = {
    "str": "string",
    "int": "int64",
    "float": "double",
    "bool": "bool",
    "bytes": "binary",
    "strings": "list<string>",
    "floats": "list<double>",
}


def document() -> str:
    """The page as Markdown."""
    lines = [
        "# Schema of datasets",
        "",
        f"`{SCHEMA}` version {SCHEMA_VERSION}. This page is made from `workers/datasets/schema.py`:",
        "`python -m workers.datasets.schema_doc docs/schema.md`.",
        "",
        "OpenCV camera axes (x right, y down, z forward), pixel centres at +0.5, boxes xyxy",
        "end-exclusive, masks COCO compressed RLE, quaternions wxyz, z-depth. A value nobody knows is null,",
        "never zero.",
        "",
        "Tables with one file a clip are `<table>-<clip>.parquet`, one row group each; the others are",
        "`<table>.parquet`. `dataset.json` lists every file with its sha256; the sha256 of",
        "`dataset.json` is the version. `dataset.sig.json` is a signature of it, when the worker has a key.",
    ]
    for table in TABLES.values():
        text = " ".join((table.row.__doc__ or "").split())
        lines += ["", f"## {table.name}", "", text]
        lines += ["", f"One file {'a clip' if table.per_clip else 'a dataset'}."]
        if table.key:
            lines[-1] += f" Key: {', '.join(f'`{name}`' for name in table.key)}."
        lines += ["", "| column | type | null | what |", "|---|---|---|---|"]
        for column in list_columns(table.row):
            null = "yes" if column.nullable else ""
            lines.append(f"| `{column.name}` | {PARQUET[column.kind]} | {null} | {column.doc} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page to the path given."""
    Path(sys.argv[1]).write_text(document())


if __name__ == "__main__":
    main()
