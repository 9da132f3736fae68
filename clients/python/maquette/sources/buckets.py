"""Videos and numbered frames in buckets, at any address that fsspec knows; objects are streamed to disk."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from maquette.errors import ExtraMissing, MaquetteError
from maquette.names import UniqueNames, split_suffix
from maquette.sources.avi import pack_frames
from maquette.sources.folder_names import name_apart
from maquette.sources.folders import FrameFolder, split_frames_and_videos

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class BucketVideo:
    """A video in a bucket: one object, or numbered frames in order; `bytes` is their total size."""

    name: str
    objects: tuple[str, ...]
    bytes: int
    file_system: Any = field(compare=False, repr=False)

    @property
    def path(self) -> PurePosixPath:
        """The object, or the folder of the frames."""
        first = PurePosixPath(self.objects[0])
        return first.parent if self.is_frame_folder else first

    @property
    def is_frame_folder(self) -> bool:
        """Whether it is a folder of frames."""
        return len(self.objects) > 1

    def fetch(self, folder: Path, frame_rate: float) -> Path:
        """Copy it into an empty folder; frames are packed as a video with `frame_rate` frames per second.

        Raises FileNotFoundError when an object no longer exists, ValueError for frames that do not make one
        video.
        """
        names = UniqueNames()
        paths = tuple(folder / names.add(*split_suffix(PurePosixPath(path).name)) for path in self.objects)
        for path, target in zip(self.objects, paths, strict=True):
            with self.file_system.open(path, "rb") as source, target.open("wb") as out:
                shutil.copyfileobj(source, out, CHUNK_BYTES)
        if not self.is_frame_folder:
            return paths[0]
        return pack_frames(FrameFolder(folder, paths), frame_rate, folder / "packed.avi")


def is_bucket(address: str) -> bool:
    """Whether an address is neither a path nor an http(s) URL that the service fetches."""
    scheme, separator, _ = address.partition("://")
    return bool(separator) and scheme.isalnum() and scheme not in ("http", "https")


def find_bucket_videos(address: str) -> list[BucketVideo]:
    """Return the videos at an address, in order: an object, a prefix, or a pattern with `*`.

    Raises ExtraMissing without the extra `cloud` or the driver of the scheme, FileNotFoundError when there
    is no video, MaquetteError for an unknown scheme.
    """
    try:
        file_system, path = import_module("fsspec").core.url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        raise ExtraMissing(
            f"{address}: install maquette[cloud], and the driver of {scheme}:// (s3fs, gcsfs, ...): {error}"
        ) from error
    except ValueError as error:
        raise MaquetteError(f"{address}: {error}") from error
    videos = list(list_bucket_videos(file_system, path))
    if not videos:
        raise FileNotFoundError(f"{address} holds no video and no numbered JPEG or PNG frames")
    return videos


def list_bucket_videos(file_system: Any, path: str) -> Iterator[BucketVideo]:
    """Yield the videos under a path of an fsspec file system, in order; see `name_apart` for their names."""
    found = list(_find_videos(file_system, path))
    names = name_apart([place for place, _ in found])
    for name, (_, video) in zip(names, found, strict=True):
        yield replace(video, name=name)


def _find_videos(file_system: Any, path: str) -> Iterator[tuple[PurePosixPath, BucketVideo]]:
    """Yield each video, called as its object or folder is, and where it lies."""
    infos = _list_files(file_system, path)
    folders: dict[str, list[PurePosixPath]] = defaultdict(list)
    for file in map(PurePosixPath, infos):
        folders[str(file.parent)].append(file)
    for folder, files in sorted(folders.items()):
        frames, videos = split_frames_and_videos(files)
        if frames:
            size = sum(infos[str(frame)]["size"] for frame in frames)
            place = PurePosixPath(folder)
            yield place, BucketVideo(place.name, tuple(map(str, frames)), size, file_system)
        for video in videos:
            yield video, BucketVideo(video.name, (str(video),), infos[str(video)]["size"], file_system)


def _list_files(file_system: Any, path: str) -> Mapping[str, Any]:
    infos: Mapping[str, Any] = (
        file_system.glob(path, detail=True) if "*" in path else file_system.find(path, detail=True)
    )
    return {name: info for name, info in infos.items() if info["type"] == "file"}
