"""Croissant 1.0 metadata (MLCommons), so that other tools find the files, their hashes and their columns."""

import json
from typing import Any

from workers.datasets.schema import TABLES, list_columns
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


def build_croissant(written: DatasetVersion) -> bytes:
    """JSON-LD with every file and a record set for every table."""
    manifest = written.manifest
    licences = sorted({row.licence for row in written.rows["sources"] if row.licence})
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"maquette-{manifest.version[:12]}",
        "description": "Clips, tracks, cameras and captions made from video by Maquette.",
        "version": f"{manifest.schema_version}.0.0+{manifest.version[:12]}",
        "license": licences or ["unknown"],
        "url": f"urn:maquette:dataset:{manifest.version}",
        "isLiveDataset": False,
        "distribution": _distribution(written),
        "recordSet": [_records(name) for name, files in manifest.tables.items() if files],
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _distribution(written: DatasetVersion) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, files in written.manifest.tables.items():
        for file in files:
            found.append(
                {
                    "@type": "cr:FileObject",
                    "@id": file.name,
                    "name": file.name,
                    "contentUrl": file.name,
                    "contentSize": f"{file.bytes} B",
                    "encodingFormat": PARQUET,
                    "sha256": file.sha256,
                }
            )
        if TABLES[name].per_clip and files:
            found.append(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{name}-files",
                    "name": f"{name}-files",
                    "description": "one file a clip, one row group each",
                    "encodingFormat": PARQUET,
                    "includes": f"{name}-*.parquet",
                }
            )
    return found


def _records(name: str) -> dict[str, Any]:
    table = TABLES[name]
    origin = (
        {"fileSet": {"@id": f"{name}-files"}}
        if table.per_clip
        else {"fileObject": {"@id": f"{name}.parquet"}}
    )
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": " ".join((table.row.__doc__ or "").split()),
        "key": [{"@id": f"{name}/{column}"} for column in table.key],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column.name}",
                "name": column.name,
                "description": column.doc,
                "dataType": DATA_TYPES[column.kind],
                **({"repeated": True} if column.kind in ("strings", "floats") else {}),
                "source": {**origin, "extract": {"column": column.name}},
            }
            for column in list_columns(table.row)
        ],
    }
