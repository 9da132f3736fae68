"""Croissant 1.0 metadata (MLCommons): the files, their hashes and their columns, for other tools."""

from collections.abc import Iterator
from typing import Any

from workers.datasets.lazy_json import LazyList, encode_lazily
from workers.datasets.manifest import FileEntry
from workers.datasets.schema import TABLES, ColumnSpec, TableSpec, list_columns
from workers.datasets.version import DatasetVersion

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
PARQUET = "application/x-parquet"
DATA_TYPES = {
    "str": "sc:Text",
    "int": "sc:Integer",
    "float": "sc:Float",
    "bool": "sc:Boolean",
    "bytes": "sc:Text",
    "strings": "sc:Text",
    "floats": "sc:Float",
}


def build_croissant(version: DatasetVersion) -> bytes:
    """JSON-LD with every file, and a record set for every table."""
    manifest = version.manifest
    licences = sorted({row.licence for row in version.rows["sources"] if row.licence})
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"maquette-{manifest.version[:12]}",
        "description": "Clips with tracks, cameras, 3D boxes and captions, made from video by Maquette.",
        "version": f"{manifest.schema_version}.0.0+{manifest.version[:12]}",
        "license": licences or ["unknown"],
        "url": f"urn:maquette:dataset:{manifest.version}",
        "isLiveDataset": False,
        "distribution": LazyList(lambda: _build_distribution(version)),
        "recordSet": [_build_record_set(TABLES[name]) for name, files in manifest.tables.items() if files],
    }
    return encode_lazily(content)


def _build_distribution(version: DatasetVersion) -> Iterator[dict[str, Any]]:
    for name, entries in version.manifest.tables.items():
        yield from map(_build_file_object, entries)
        if TABLES[name].per_clip and entries:
            yield _build_file_set(name)


def _build_file_object(entry: FileEntry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.name,
        "name": entry.name,
        "contentUrl": entry.name,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": entry.sha256,
    }


def _build_file_set(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-files",
        "name": f"{table}-files",
        "description": "one file per clip, with one row group each",
        "encodingFormat": PARQUET,
        "includes": f"{table}-*.parquet",
    }


def _build_record_set(table: TableSpec) -> dict[str, Any]:
    origin = (
        {"fileSet": {"@id": f"{table.name}-files"}}
        if table.per_clip
        else {"fileObject": {"@id": f"{table.name}.parquet"}}
    )
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": " ".join((table.row.__doc__ or "").split()),
        "key": [{"@id": f"{table.name}/{column}"} for column in table.key],
        "field": [_build_field(table.name, column, origin) for column in list_columns(table.row)],
    }


def _build_field(table: str, column: ColumnSpec, origin: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": column.doc,
        "dataType": DATA_TYPES[column.kind],
        **({"repeated": True} if column.kind in ("strings", "floats") else {}),
        "source": {**origin, "extract": {"column": column.name}},
    }
