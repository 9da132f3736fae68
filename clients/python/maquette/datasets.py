"""Folders of videos and of numbered frames as media to send; no picture is decoded or coded again."""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

Name = TypeVar("Name", bound=PurePath)

VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".ts", ".mpg", ".mpeg", ".ogv", ".flv"})
FRAMES = frozenset({".jpg", ".jpeg", ".png"})
LEAST_FRAMES = 2
# AVI counts bytes in 32 bits
MOST_BYTES = (1 << 32) - (1 << 24)
CODECS = {"jpeg": b"MJPG", "png": b"MPNG", "tiff": b"TIFF"}


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A video as a folder of numbered JPEG, PNG or TIFF files, in the order of their numbers."""

    path: Path
    files: tuple[Path, ...]


def find(path: Path) -> list[Path | FrameFolder]:
    """The videos under a path, in order: a file itself; of a folder its videos, and its folders of frames.

    Raises FileNotFoundError when there are none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no such file or folder: {path}")
    found = list(_inside(path))
    if not found:
        raise FileNotFoundError(f"{path} holds no video and no numbered JPEG or PNG frames")
    return found


def pack(folder: FrameFolder, rate: float, target: Path) -> Path:
    """Write the frames to an AVI of `rate` frames a second, each file's bytes as they are.

    Raises ValueError for frames of several sizes or formats, and for more than AVI can hold.
    """
    first = header(folder.files[0])
    if sum(file.stat().st_size + 32 for file in folder.files) > MOST_BYTES:
        raise ValueError(f"{folder.path} holds more than 4 GB of frames: split it")
    with target.open("wb") as out:
        _write(out, folder.files, first, rate)
    return target


def _inside(path: Path) -> Iterator[Path | FrameFolder]:
    entries = sorted(path.iterdir(), key=_order)
    frames, videos = sorted_out(entries)
    if frames:
        yield FrameFolder(path, tuple(frames))
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _inside(entry)
        elif entry in videos and entry.is_file():
            yield entry


def numbered(paths: Iterable[Name], suffixes: frozenset[str]) -> list[Name]:
    """The names with one of these suffixes that end in a number, by number."""
    ordered = sorted(paths, key=_order)
    return [path for path in ordered if path.suffix.lower() in suffixes and _number(path) is not None]


def sorted_out(paths: Iterable[Name]) -> tuple[list[Name], list[Name]]:
    """Of the names in one folder the numbered frames, if they are several, and the videos, in order."""
    ordered = sorted(paths, key=_order)
    frames = numbered(ordered, FRAMES)
    videos = [path for path in ordered if path.suffix.lower() in VIDEOS]
    return (frames if len(frames) >= LEAST_FRAMES else []), videos


def _order(path: PurePath) -> tuple[int, str]:
    """By number where names end in one, so that 10 comes after 9."""
    number = _number(path)
    return (-1 if number is None else number, path.name)


def _number(path: PurePath) -> int | None:
    digits = re.search(r"(\d+)$", path.stem)
    return int(digits.group(1)) if digits else None


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture's header tells; `grey16` is one channel of 16 bits."""

    codec: str
    width: int
    height: int
    grey16: bool = False


def header(path: Path) -> Picture:
    """Format and size of a picture; raises ValueError for anything but JPEG, PNG and TIFF."""
    with path.open("rb") as file:
        start = file.read(26)
        if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 26:
            width, height, bits, colours = struct.unpack(">IIBB", start[16:26])
            return Picture("png", width, height, (bits, colours) == (16, 0))
        if start.startswith(b"\xff\xd8"):
            file.seek(2)
            return _jpeg(file, path)
        if start[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(file, path)
    raise ValueError(f"{path} is none of JPEG, PNG and TIFF")


def _tiff(file: BinaryIO, path: Path) -> Picture:
    """The first directory of a TIFF; its tags have numbers."""
    width, height, bits, samples, kind = 256, 257, 258, 277, 339
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    try:
        (place,) = struct.unpack(order + "I", file.read(6)[2:])
        file.seek(place)
        (entries,) = struct.unpack(order + "H", file.read(2))
        told = {bits: 1, samples: 1, kind: 1}
        for _ in range(entries):
            tag, size, count, value = struct.unpack(order + "HHI4s", file.read(12))
            if count == 1 and size in (3, 4):
                (told[tag],) = struct.unpack(order + "HI"[size - 3], value[: 2 * (size - 2)])
        grey16 = (told[bits], told[samples], told[kind]) == (16, 1, 1)
        return Picture("tiff", told[width], told[height], grey16)
    except (struct.error, KeyError) as error:
        raise ValueError(f"{path} is a broken TIFF") from error


def _jpeg(file: BinaryIO, path: Path) -> Picture:
    while (marker := file.read(2)) and marker[0] == 0xFF:
        if marker[1] == 0xFF:
            file.seek(-1, 1)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        # the frame headers SOF0 to SOF15, without DHT, JPG and DAC
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            _, height, width = struct.unpack(">BHH", file.read(5))
            return Picture("jpeg", width, height)
        file.seek(length - 2, 1)
    raise ValueError(f"{path} is a broken JPEG")


def _write(out: BinaryIO, files: Sequence[Path], first: Picture, rate: float) -> None:
    count, codec = len(files), CODECS[first.codec]
    micros = round(1_000_000 / rate)
    largest = max(file.stat().st_size for file in files)
    main = struct.pack("<10I16x", micros, 0, 0, 0x10, count, 0, 1, largest, first.width, first.height)
    stream = b"vids" + codec + struct.pack(
        "<IHHIIIIIIII4H", 0, 0, 0, 0, 1000, round(rate * 1000), 0, count, largest, 0xFFFFFFFF, 0,
        0, 0, first.width, first.height,
    )  # fmt: skip
    size = first.width * first.height * 3
    picture = struct.pack("<IiiHH4sIiiII", 40, first.width, first.height, 1, 24, codec, size, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", picture))
    headers = _list(b"hdrl", _chunk(b"avih", main) + streams)
    out.write(b"RIFF\0\0\0\0AVI " + headers)
    movie = out.tell()
    out.write(b"LIST\0\0\0\0movi")
    index = []
    for file in files:
        if header(file) != first:
            raise ValueError(f"{file} has another size or format than {files[0]}: they are no one video")
        data = file.read_bytes()
        index.append(struct.pack("<4sIII", b"00dc", 0x10, out.tell() - movie - 8, len(data)))
        out.write(_chunk(b"00dc", data))
    end = out.tell()
    out.write(_chunk(b"idx1", b"".join(index)))
    total = out.tell()
    for place, value in ((4, total - 8), (movie + 4, end - movie - 8)):
        out.seek(place)
        out.write(struct.pack("<I", value))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
