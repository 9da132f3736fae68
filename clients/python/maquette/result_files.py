"""Where the files of a result are saved, and what is there already."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maquette.contract import Artefact, Manifest
from maquette.errors import OutputExists, OutputNotWritten
from maquette.hashing import sha256
from maquette.names import UniqueNames, split_suffix

MANIFEST_FILE = "result.json"
# names in an error message
MOST_NAMES = 5


def place_artefacts(manifest: Manifest, folder: Path) -> list[tuple[Artefact, Path]]:
    """Return the file of each artefact; a name that is not safe, or that another one has, is changed."""
    names = UniqueNames([MANIFEST_FILE])
    return [(item, folder / names.add(*split_suffix(item.name))) for item in manifest.artefacts]


def dump_manifest(manifest: Manifest) -> str:
    """Return the content of `result.json`."""
    return manifest.model_dump_json(indent=1) + "\n"


def holds_artefact(file: Path, artefact: Artefact) -> bool:
    """Whether an artefact is saved in that file."""
    return file.is_file() and sha256(file).hex() == artefact.sha256


@contextmanager
def writing_whole(target: Path) -> Iterator[Path]:
    """Yield the file to write, which replaces the target once it is complete.

    Raises OutputNotWritten where the disk is full or read-only; nothing half written is left.
    """
    # what was interrupted must not be taken for the file
    partial = target.with_name(f"{target.name}.part")
    with naming_unwritable(target):
        try:
            yield partial
            partial.replace(target)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


@contextmanager
def naming_unwritable(target: Path) -> Iterator[None]:
    """Raise OutputNotWritten, which names the file or folder, where the system refuses to write it."""
    try:
        yield
    except OSError as error:
        raise OutputNotWritten(f"{target} cannot be written: {error.strerror or error}") from error


def check_writable(folder: Path) -> None:
    """Raise OutputNotWritten where a folder cannot be created or written, before anything is computed."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise OutputNotWritten(f"{folder} cannot be a folder: {place} is a file")
    # what stands in for files, as /proc does, accepts no folders from anybody
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputNotWritten(f"{folder} cannot be written: {place} is read-only")


def check_no_result(folder: Path) -> None:
    """Raise OutputExists for a folder that holds a result."""
    if (folder / MANIFEST_FILE).exists():
        raise OutputExists(f"{folder} holds a result already: choose another folder, or add --overwrite")


def check_nothing_lost(manifest: Manifest, folder: Path) -> None:
    """Raise OutputExists where saving a result would replace files with other content."""
    taken = [
        file
        for artefact, file in place_artefacts(manifest, folder)
        if file.exists() and not holds_artefact(file, artefact)
    ]
    listing = folder / MANIFEST_FILE
    if listing.exists() and listing.read_bytes() != dump_manifest(manifest).encode():
        taken.append(listing)
    if taken:
        names = ", ".join(file.name for file in taken[:MOST_NAMES])
        more = f" and {len(taken) - MOST_NAMES} more" if len(taken) > MOST_NAMES else ""
        raise OutputExists(f"{folder} has other files of these names: {names}{more}; nothing was saved")


def remove_earlier_result(manifest: Manifest, folder: Path) -> None:
    """Delete the files of the result that a folder holds which nobody changed and the new one has not."""
    try:
        earlier = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValueError):
        return
    kept = {file for _, file in place_artefacts(manifest, folder)}
    for artefact, file in place_artefacts(earlier, folder):
        if file not in kept and holds_artefact(file, artefact):
            file.unlink()
