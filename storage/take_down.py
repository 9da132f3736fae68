"""Takes a source out of the datasets that were made from it, as their take-down lists say."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from storage.artefacts import ArtefactMissing, ArtefactStore
from storage.ledger import Database, deletion
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.tables import jobs

INDEX = "takedown.json"
# documents of a dataset that show frames of all its sources
WITH_FRAMES = ("contact.png", "report.html")


def take_down(db: Database, store: ArtefactStore, tenant: str, sha256: str, actor: Actor = SERVICE) -> int:
    """Delete the files that datasets of a tenant have about a source, by the hash of its upload.

    Of each dataset these are the files of the source's clips, but for those whose content other clips have as
    well, and the documents that show frames. Tables with rows of every source are kept. Returns how many
    there are; raises StillNeeded while a job needs one.
    """
    count = 0
    for manifest in _list_manifests(db, store, tenant):
        if sha256 not in manifest["provenance"]["sources"]:
            continue
        files = {artefact["name"]: artefact["sha256"] for artefact in manifest["artefacts"]}
        listed = _read_index(store, files.get(INDEX)).get(sha256, {}).get("files", [])
        named = {*listed, *WITH_FRAMES}
        shared = {content for name, content in files.items() if name not in named}
        for content in {files[name] for name in named if name in files} - shared:
            count += deletion.delete_artefact(db, tenant, content, actor)
    return count


def _list_manifests(db: Database, store: ArtefactStore, tenant: str) -> Iterator[dict[str, Any]]:
    """The manifests of the datasets of a tenant; those that are lost or were deleted are left out."""
    kept = (jobs.c.tenant == tenant, jobs.c.kind == "dataset", jobs.c.deleted_at.is_(None))
    query = select(jobs.c.manifest_sha256).where(*kept, jobs.c.manifest_sha256.is_not(None))
    with db.read() as connection:
        hashes = connection.execute(query.distinct()).scalars().all()
    for sha256 in hashes:
        try:
            yield json.loads(store.get(str(sha256)))
        except ArtefactMissing:
            continue


def _read_index(store: ArtefactStore, sha256: str | None) -> dict[str, Any]:
    """What a take-down list says of each source; nothing where there is none."""
    try:
        known = {} if sha256 is None else json.loads(store.get(sha256))
    except ArtefactMissing:
        return {}
    sources: dict[str, Any] = known.get("sources", {})
    return sources
