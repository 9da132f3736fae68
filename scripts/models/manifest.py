"""One line of `models/manifest.json` per shipped weight file, kept sorted by file."""

import fcntl
import hashlib
import json
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def record(path: Path, *, source: str, source_sha256: str, licence: str, script: str) -> None:
    """Write or replace the line of `path` in the manifest beside it."""
    manifest = path.with_name("manifest.json")
    with manifest.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        entries = {entry["file"]: entry for entry in json.loads(stream.read() or "[]")}
        entries[path.name] = {
            "file": path.name,
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            "source": source,
            "source_sha256": source_sha256,
            "licence": licence,
            "script": script,
        }
        stream.truncate(0)
        stream.write(json.dumps([entries[name] for name in sorted(entries)], indent=2) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, sha256 {entries[path.name]['sha256']}")
