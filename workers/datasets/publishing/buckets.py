"""Writing a version to a folder of a bucket."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from maquette.contract import Artefact

from workers.datasets import manifest
from workers.datasets.errors import DatasetError

# the version that a folder belongs to; written before every other file
CLAIM = ".claimed"
WRITERS = 8
# a claim on a disk is empty for the moment between its creation and its first write
CLAIM_READ_ATTEMPTS = 20
CLAIM_READ_PAUSE_SECONDS = 0.1


def publish_to_bucket(
    files: Any,
    folder: str,
    version: str,
    artefacts: Sequence[Artefact],
    read: Callable[[str], bytes],
    on_progress: Callable[[int, int], None],
) -> None:
    """Write the artefacts of a version to `folder` of the fsspec file system `files`, the manifest last.

    `read` gives the content of a hash; `on_progress` is called with the number of artefacts done and their
    total. Files that an earlier writer of the same version left are not written again. Raises DatasetError
    `dataset_exists` when the folder belongs to another version.
    """
    files.makedirs(folder, exist_ok=True)
    _claim_folder(files, f"{folder}/{CLAIM}", folder, version)
    sizes = {name.rpartition("/")[2]: info["size"] for name, info in files.find(folder, detail=True).items()}
    others = [item for item in artefacts if item.name != manifest.MANIFEST]
    missing = [item for item in others if sizes.get(item.name) != item.bytes]

    def write(item: Artefact) -> None:
        files.pipe_file(f"{folder}/{item.name}", read(item.sha256))

    done = len(others) - len(missing)
    with ThreadPoolExecutor(WRITERS) as pool:
        for start in range(0, len(missing), WRITERS):
            on_progress(done, len(artefacts))
            done += len(list(pool.map(write, missing[start : start + WRITERS])))
    for item in artefacts:
        if item.name == manifest.MANIFEST:
            write(item)
    on_progress(len(artefacts), len(artefacts))


def _claim_folder(files: Any, path: str, folder: str, version: str) -> None:
    """Claim a folder for a version; raises DatasetError `dataset_exists` when another version has it."""
    try:
        _create_claim(files, path, version)
    except FileExistsError:
        owner = _read_claim(files, path)
        if owner != version:
            belongs = f"version {owner[:12]}" if owner else "a version whose writer stopped at its claim"
            raise DatasetError(
                "dataset_exists", f"{folder} belongs to {belongs}: publish to another folder, or empty it"
            ) from None


def _create_claim(files: Any, path: str, version: str) -> None:
    """Write the claim; raises FileExistsError when there is one."""
    if "file" in files.protocol:
        # on a disk, fsspec checks and writes in two steps, between which another writer may come
        with Path(path).open("xb") as claim:
            claim.write(version.encode())
    else:
        files.pipe_file(path, version.encode(), mode="create")


def _read_claim(files: Any, path: str) -> str:
    """The version of a claim; empty when its writer never wrote it."""
    for _ in range(CLAIM_READ_ATTEMPTS):
        if owner := files.cat_file(path).decode():
            return str(owner)
        time.sleep(CLAIM_READ_PAUSE_SECONDS)
    return ""
