"""Writing a version to a bucket: one writer wins, and whoever looks for the manifest sees all or nothing."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from maquette.contract import Artefact

from workers.datasets import manifest
from workers.datasets.errors import DatasetError

# says which version a folder belongs to, before its first file is written
CLAIM = ".claimed"
WRITERS = 8
CLAIM_READ_ATTEMPTS = 20


def publish_to_bucket(
    files: Any,
    folder: str,
    version: str,
    artefacts: Sequence[Artefact],
    stored: Callable[[str], bytes],
    told: Callable[[int, int], None],
) -> None:
    """Write the artefacts of a version to `folder` of an fsspec file system, the manifest last.

    The same version again goes on where the last writer stopped. Raises DatasetError `dataset_exists` when
    the folder belongs to another version.
    """
    files.makedirs(folder, exist_ok=True)
    try:
        _claim(files, f"{folder}/{CLAIM}", version)
    except FileExistsError:
        there = _claimant(files, f"{folder}/{CLAIM}")
        if there != version:
            detail = f"{folder} belongs to version {there[:12] or 'of a writer that died'}"
            raise DatasetError("dataset_exists", f"{detail}: publish somewhere else, or empty it") from None
    sizes = {name.rpartition("/")[2]: info["size"] for name, info in files.find(folder, detail=True).items()}
    left = [item for item in artefacts if item.name != manifest.MANIFEST]
    missing = [item for item in left if sizes.get(item.name) != item.bytes]

    def write(item: Artefact) -> None:
        files.pipe_file(f"{folder}/{item.name}", stored(item.sha256))

    done = len(left) - len(missing)
    with ThreadPoolExecutor(WRITERS) as pool:
        for start in range(0, len(missing), WRITERS):
            told(done, len(artefacts))
            done += len(list(pool.map(write, missing[start : start + WRITERS])))
    for item in artefacts:
        if item.name == manifest.MANIFEST:
            write(item)
    told(len(artefacts), len(artefacts))


def _claim(files: Any, path: str, version: str) -> None:
    """Make the claim; raises FileExistsError when there is one."""
    if "file" in files.protocol:
        # fsspec looks and then writes on a disk, which two writers may do at once
        with Path(path).open("xb") as claim:
            claim.write(version.encode())
    else:
        files.pipe_file(path, version.encode(), mode="create")


def _claimant(files: Any, path: str) -> str:
    """Whose claim it is; on a disk a claim is empty for the moment between its making and its writing."""
    for _ in range(CLAIM_READ_ATTEMPTS):
        if told := files.cat_file(path).decode():
            return str(told)
        time.sleep(0.1)
    return ""
