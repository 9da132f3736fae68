"""The index for take-downs: what to delete when a source has to go."""

from collections import defaultdict

from workers.datasets.lazy_json import encode_lazily
from workers.datasets.schema import TABLES
from workers.datasets.version import DatasetVersion


def build_takedown_index(version: DatasetVersion) -> bytes:
    """For each source its clips, the files of these clips, and the tables that have rows of every source."""
    rows, manifest = version.rows, version.manifest
    clips: dict[str, list[str]] = defaultdict(list)
    for row in rows["clips"]:
        clips[row.source].append(row.clip)
    files: dict[str, list[str]] = defaultdict(list)
    for entries in manifest.tables.values():
        for entry in entries:
            if entry.clip is not None:
                files[entry.clip].append(entry.name)
    for asset in rows["assets"]:
        files[asset.clip].append(asset.file)
    shared_tables = [
        entry.name
        for name, entries in manifest.tables.items()
        if not TABLES[name].per_clip
        for entry in entries
    ]
    content = {
        "version": manifest.version,
        "shared_tables": sorted(shared_tables),
        "sources": {
            row.source: {
                "name": row.name,
                "licence": row.licence,
                "consent": row.consent,
                "session": row.session,
                "clips": clips[row.source],
                "files": sorted({name for clip in clips[row.source] for name in files[clip]}),
            }
            for row in rows["sources"]
        },
    }
    return encode_lazily(content, sort_keys=True)
