"""A source that has to go leaves the datasets that were made from it, as their take-down lists say."""

import json
from pathlib import Path

import pytest

from storage.artefacts.local import LocalStore
from storage.collection import Collector
from storage.ledger import Database, Submission, blobs, files, jobs, leases
from storage.ledger.retention import Retention
from storage.take_down import take_down

PERSON, OTHER = "a" * 64, "b" * 64
FILES = {
    "clips/one/masks.parquet": b"masks of the person",
    "clips/one/crop.png": b"a crop of the person",
    "clips/one/empty.parquet": b"no rows",
    "clips/two/masks.parquet": b"masks of somebody else",
    "clips/two/empty.parquet": b"no rows",
    "sources.parquet": b"rows of every source",
    "contact.png": b"frames of all",
    "report.html": b"frames of all, in a page",
}
INDEX = {
    "sources": {
        PERSON: {"files": [name for name in FILES if name.startswith("clips/one/")]},
        OTHER: {"files": [name for name in FILES if name.startswith("clips/two/")]},
    }
}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def make_dataset(db: Database, store: LocalStore, tenant: str, sources: list[str]) -> dict[str, str]:
    """A dataset of a tenant; returns the hashes of its files by name."""
    row, _ = jobs.submit(db, Submission(tenant, "dataset", "auto", "default", "{}", "h", 60))
    job = leases.claim(db, row.id, "w", 30)
    assert job is not None

    def put(data: bytes) -> str:
        def claim(sha256: str, size: int) -> None:
            assert blobs.claim(db, job, blobs.RESULT, sha256, size, "a/b")

        return store.put(data, claim)

    hashes = {
        name: put(data) for name, data in {**FILES, "takedown.json": json.dumps(INDEX).encode()}.items()
    }
    artefacts = [
        {"name": name, "role": "table", "sha256": sha256, "media_type": "a/b", "bytes": 1}
        for name, sha256 in hashes.items()
    ]
    result = {
        "kind": "dataset",
        "version": "0" * 64,
        **dict.fromkeys(("clips", "frames", "tracks", "observations"), 1),
        "rejected": {},
    }
    provenance = {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": sources}
    manifest = {"result": result, "artefacts": artefacts, "provenance": provenance}
    assert leases.succeed(db, job, put(json.dumps(manifest).encode()))
    return hashes


def list_gone(db: Database, tenant: str, hashes: dict[str, str]) -> set[str]:
    found = {name: files.find_artefact(db, tenant, sha256) for name, sha256 in hashes.items()}
    return {name for name, artefact in found.items() if artefact is None or artefact.deleted}


@pytest.mark.slow
def test_a_source_leaves_the_datasets_of_its_tenant_alone(db: Database, store: LocalStore) -> None:
    mine = make_dataset(db, store, "acme", [PERSON, OTHER])
    theirs = make_dataset(db, store, "globex", [PERSON, OTHER])
    assert take_down(db, store, "acme", PERSON) == 4
    gone = {"clips/one/masks.parquet", "clips/one/crop.png", "contact.png", "report.html"}
    # a table without rows is the same file for every clip, and kept
    assert list_gone(db, "acme", mine) == gone
    assert list_gone(db, "globex", theirs) == set()
    assert take_down(db, store, "acme", PERSON) == 4


def test_the_files_are_removed_once_nobody_else_has_them(db: Database, store: LocalStore) -> None:
    hashes = make_dataset(db, store, "acme", [PERSON, OTHER])
    take_down(db, store, "acme", PERSON)
    kept = Retention(uploads=0, results=0, events=0, scratch=1e-9)
    Collector(db, store, kept, grace_seconds=-1).collect()
    assert not store.has(hashes["clips/one/crop.png"]) and not store.has(hashes["contact.png"])
    assert store.has(hashes["clips/two/masks.parquet"]) and store.has(hashes["clips/one/empty.parquet"])


def test_a_dataset_without_the_source_or_without_a_list_stays(db: Database, store: LocalStore) -> None:
    hashes = make_dataset(db, store, "acme", [OTHER])
    assert take_down(db, store, "acme", PERSON) == 0
    store.remove([hashes["takedown.json"]])
    assert take_down(db, store, "acme", OTHER) == 2
    assert list_gone(db, "acme", hashes) == {"contact.png", "report.html"}
