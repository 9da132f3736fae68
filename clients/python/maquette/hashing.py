"""SHA-256 of bytes and files, by which uploads and artefacts are addressed."""

import hashlib
from pathlib import Path


def sha256(source: bytes | Path) -> bytes:
    """Return the digest of bytes, or of a file's content."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
