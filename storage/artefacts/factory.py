"""Opens the store that a setting names."""

from pathlib import Path
from urllib.parse import urlsplit

from storage.artefacts.base import ArtefactStore
from storage.artefacts.local import LocalStore


def open_store(location: str, scratch: Path, s3_endpoint: str | None = None) -> ArtefactStore:
    """A folder, or `s3://bucket/prefix` (extra `s3`)."""
    if location.startswith("s3://"):
        from storage.artefacts.s3 import S3Store

        parts = urlsplit(location)
        return S3Store(parts.netloc, parts.path, scratch, s3_endpoint)
    return LocalStore(Path(location))
