"""Content-addressed stores, in a folder and in S3 (moto in server mode)."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.artefacts import ArtefactMissing, ArtefactStore, open_store
from storage.artefacts.local import LocalStore
from storage.artefacts.s3 import S3Store
from tests.support.paths import REPOSITORY
from tests.support.s3 import running_s3

DATA = bytes(range(256)) * 10_000
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with running_s3("bucket") as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtefactStore:
    if request.param == "local":
        return open_store(str(tmp_path / "artefacts"), tmp_path / "scratch")
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_store(f"s3://bucket/{tmp_path.name}", tmp_path / "scratch", endpoint)


@pytest.mark.slow
def test_content_is_found_under_its_hash(store: ArtefactStore) -> None:
    assert store.put(DATA) == HASH
    assert store.get(HASH) == DATA
    assert store.size(HASH) == len(DATA)
    assert store.path(HASH).read_bytes() == DATA


def test_ranges(store: ArtefactStore) -> None:
    store.put(DATA)
    assert b"".join(store.read(HASH, 5, 11)) == DATA[5:11]
    assert b"".join(store.read(HASH, len(DATA) - 3)) == DATA[-3:]
    assert b"".join(store.read(HASH, 7, 7)) == b""


def test_missing_content(store: ArtefactStore) -> None:
    for read in (store.size, store.get, store.path):
        with pytest.raises(ArtefactMissing):
            read("0" * 64)


def test_the_local_copies_of_s3_are_bounded(s3_endpoint: str, tmp_path: Path) -> None:
    store = S3Store("bucket", tmp_path.name, tmp_path / "scratch", s3_endpoint, cache_bytes=2500)
    hashes = [store.put(bytes([n]) * 1000) for n in range(4)]
    for sha256 in hashes:
        assert store.path(sha256).stat().st_size == 1000
    kept = {file.name for file in (tmp_path / "scratch" / "cache").iterdir()}
    assert kept == set(hashes[2:])
    assert store.path(hashes[0]).read_bytes() == bytes(1000)


def test_many_writers_of_the_same_content_agree(store: ArtefactStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: store.put(DATA), range(16))) == {HASH}
    assert store.get(HASH) == DATA


def test_what_is_not_committed_leaves_nothing(store: ArtefactStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        writer.write(b"half")
        digest = writer.sha256()
    with pytest.raises(ArtefactMissing):
        store.get(digest)
    assert not [file for file in store.scratch.rglob("*") if file.is_file()]


def test_a_file_is_stored_and_stays(store: ArtefactStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(DATA)
    assert store.put_file(file) == HASH
    assert file.read_bytes() == DATA


def test_files_of_killed_writers_are_removed_and_those_in_use_are_not(tmp_path: Path) -> None:
    """A child writes half a file and is killed; this process has another one open."""
    store = LocalStore(tmp_path)
    program = (
        "import os, signal, sys; from pathlib import Path; from storage.artefacts.local import LocalStore\n"
        "writer = LocalStore(Path(sys.argv[1])).writer(); writer.write(b'half'); writer.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, check=False)
    [orphan] = store.scratch.iterdir()
    with store.writer() as writer:
        writer.write(b"whole")
        assert store.remove_abandoned() == []
        assert store.remove_abandoned(min_age_seconds=0) == [orphan]
        sha256 = writer.commit()
    assert store.get(sha256) == b"whole"
    assert list(store.scratch.iterdir()) == []


def test_removed_files_are_gone_also_from_the_local_copies(store: ArtefactStore) -> None:
    kept, gone = store.put(b"kept"), store.put(b"gone")
    for sha256 in (kept, gone):
        store.path(sha256)
    store.remove([gone, "0" * 64])
    store.remove([])
    assert store.has(kept) and not store.has(gone)
    assert not [file for file in store.scratch.rglob("*") if file.name == gone]


def test_files_are_listed_by_the_start_of_their_hashes(
    store: ArtefactStore,
) -> None:
    sizes = {store.put(bytes(number)): number for number in range(1, 6)}
    listed = list(store.list_files(""))
    assert {file.sha256: file.bytes for file in listed} == sizes
    assert all(abs(file.stored_at - time.time()) < 600 for file in listed)
    for prefix in {sha256[:2] for sha256 in sizes}:
        found = {file.sha256 for file in store.list_files(prefix)}
        assert found == {sha256 for sha256 in sizes if sha256.startswith(prefix)}


def test_a_claim_comes_before_the_content_and_may_refuse_it(store: ArtefactStore) -> None:
    seen: list[tuple[str, int, bool]] = []
    store.put(DATA, lambda sha256, size: seen.append((sha256, size, store.has(sha256))))
    assert seen == [(HASH, len(DATA), False)]

    def refuse(_sha256: str, _size: int) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        store.put(b"refused", refuse)
    assert not store.has(hashlib.sha256(b"refused").hexdigest())
    assert not [file for file in store.scratch.glob("tmp*") if file.is_file()]


def test_local_copies_that_nobody_reads_go_after_a_day(s3_endpoint: str, tmp_path: Path) -> None:
    store = S3Store("bucket", tmp_path.name, tmp_path / "scratch", s3_endpoint)
    old, new = store.put(b"old"), store.put(b"new")
    yesterday = time.time() - 90_000
    os.utime(store.path(old), (yesterday, yesterday))
    store.path(new)
    assert store.remove_stale_copies() == 1
    assert {file.name for file in (tmp_path / "scratch" / "cache").iterdir()} == {new}
    assert store.get(old) == b"old"


def test_a_file_that_is_removed_while_it_is_read_arrives_complete(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    assert store.put(DATA) == HASH
    pieces = store.read(HASH)
    begun = next(pieces)
    store.remove([HASH])
    assert begun + b"".join(pieces) == DATA
    with pytest.raises(ArtefactMissing):
        store.size(HASH)
    with pytest.raises(ArtefactMissing):
        next(store.read(HASH))
