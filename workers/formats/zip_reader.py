"""Find the members of ZIP archives that other programs wrote; nothing is ever unpacked to a disk."""

import unicodedata
import zipfile
from typing import IO

RESOURCE_FORKS = "__MACOSX/"


class ZipMembers:
    """The files of an archive by their names without folders.

    Folders are ignored, in the spelling of Windows too, so that `../` and absolute names mean nothing. Raises
    ValueError for two files with one name: readers would disagree about which one is meant.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            name = _drop_folders(info.filename)
            if not name or info.filename.startswith(RESOURCE_FORKS):
                continue
            if name in self._members:
                raise ValueError(f"two files are called {name!r}")
            self._members[name] = info

    def find(self, name: str) -> zipfile.ZipInfo:
        """Return the entry of a file; raises KeyError."""
        return self._members[_drop_folders(name)]

    def open(self, entry: zipfile.ZipInfo) -> IO[bytes]:
        """Open a file for reading."""
        return self._archive.open(entry)


def _drop_folders(path: str) -> str:
    return unicodedata.normalize("NFC", path.replace("\\", "/").rpartition("/")[2])
