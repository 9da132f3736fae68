"""Videos and numbered frames in buckets, by any address that fsspec knows; each is fetched piece by piece."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from maquette import datasets
from maquette.errors import MaquetteError

PIECE = 1 << 20


class CloudMissing(MaquetteError):
    """What reads such an address is not installed; `code` is stable."""

    code = "extra_missing"


@dataclass(frozen=True, slots=True)
class BucketVideo:
    """A video in a bucket: one object, or numbered frames in their order; `bytes` is their size together."""

    name: str
    objects: tuple[str, ...]
    bytes: int
    files: Any = field(compare=False, repr=False)

    @property
    def numbered(self) -> bool:
        """Whether it is a folder of frames."""
        return len(self.objects) > 1

    def fetch(self, folder: Path, rate: float) -> Path:
        """Copy it into an empty folder; frames are packed as a video of `rate` frames a second.

        Raises FileNotFoundError when an object has gone; ValueError for frames that are no one video.
        """
        for path in self.objects:
            with self.files.open(path, "rb") as source, (folder / PurePosixPath(path).name).open("wb") as out:
                shutil.copyfileobj(source, out, PIECE)
        paths = tuple(folder / PurePosixPath(path).name for path in self.objects)
        if not self.numbered:
            return paths[0]
        return datasets.pack(datasets.FrameFolder(folder, paths), rate, folder / "packed.avi")


def is_bucket(address: str) -> bool:
    """Whether it is an address that is neither a path nor fetched by the service."""
    scheme, found, _ = address.partition("://")
    return bool(found) and scheme.isalnum() and scheme not in ("http", "https")


def find(address: str) -> list[BucketVideo]:
    """The videos under an address, in order: of an object itself, of a prefix, or of a pattern with `*`.

    Raises CloudMissing without the extra `cloud` or the driver of the scheme, FileNotFoundError for nothing,
    MaquetteError for a scheme that nobody knows.
    """
    try:
        files, path = import_module("fsspec").core.url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        raise CloudMissing(
            f"{address}: install maquette[cloud], and the driver of {scheme}:// (s3fs, gcsfs, ...): {error}"
        ) from error
    except ValueError as error:
        raise MaquetteError(f"{address}: {error}") from error
    found = list(inside(files, path))
    if not found:
        raise FileNotFoundError(f"{address} holds no video and no numbered JPEG or PNG frames")
    return found


def inside(files: Any, path: str) -> Iterator[BucketVideo]:
    """The videos under a path of an fsspec file system, in order."""
    yield from _videos(files, _listed(files, path))


def _listed(files: Any, path: str) -> Mapping[str, Any]:
    listed: Mapping[str, Any] = (
        files.glob(path, detail=True) if "*" in path else files.find(path, detail=True)
    )
    return {name: told for name, told in listed.items() if told["type"] == "file"}


def _videos(files: Any, listed: Mapping[str, Any]) -> Iterator[BucketVideo]:
    folders: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in map(PurePosixPath, listed):
        folders[str(path.parent)].append(path)
    for folder, paths in sorted(folders.items()):
        frames, videos = datasets.sorted_out(paths)
        if frames:
            size = sum(listed[str(path)]["size"] for path in frames)
            yield BucketVideo(PurePosixPath(folder).name, tuple(map(str, frames)), size, files)
        for path in videos:
            yield BucketVideo(path.name, (str(path),), listed[str(path)]["size"], files)
