"""The artefacts: content by its hash, in a folder or in S3."""

from storage.artefacts.base import ArtefactMissing, ArtefactStore, ArtefactWriter, StoredFile
from storage.artefacts.factory import open_store

__all__ = ["ArtefactMissing", "ArtefactStore", "ArtefactWriter", "StoredFile", "open_store"]
