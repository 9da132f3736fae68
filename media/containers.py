"""What a file's own structure says without decoding: whether it was cut, and which colours it declares."""

import struct
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 18
EBML = b"\x1a\x45\xdf\xa3"
IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
SEGMENT = b"\x18\x53\x80\x67"


def is_truncated(path: str) -> bool:
    """Whether a file ends before its container says: MP4 and MOV, AVI and WebP (RIFF), Matroska and WebM."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(64)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            return _boxes_end(file, size) > size
        if head[:4] == b"RIFF" and len(head) >= 8:
            return 8 + int(struct.unpack("<I", head[4:8])[0]) > size
        if head[:4] == EBML:
            return _segment_end(file) > size
    return False


def is_cut_movie(path: str) -> bool:
    """Whether a file is the beginning of an MP4 or MOV; HEIF and AVIF images share their structure."""
    with Path(path).open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] not in IMAGE_BRANDS and is_truncated(path)


def read_color_codes(path: str) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (ITU-T H.273) that a still image declares.

    Read from `cICP` of PNG and `nclx` of HEIF and AVIF; None where there is neither.
    """
    with Path(path).open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"\x89PNG"):
        at = head.find(b"cICP", 8, head.find(b"IDAT") if b"IDAT" in head else None)
        return (head[at + 4], head[at + 5]) if 0 <= at < len(head) - 6 else None
    if head[4:8] == b"ftyp":
        at = head.find(b"colrnclx")
        if 0 <= at < len(head) - 12:
            primaries, transfer = struct.unpack(">HH", head[at + 8 : at + 12])
            return int(primaries), int(transfer)
    return None


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box of an ISO base media file ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        length, _ = struct.unpack(">I4s", file.read(8))
        if length == 1:
            wide = file.read(8)
            length = int(struct.unpack(">Q", wide)[0]) if len(wide) == 8 else 16
        if length < 8:
            # 0 means "to the end of the file"; smaller numbers are no boxes
            return size
        end += length
    # less than a box's header is left: the file was cut inside it
    return end if end >= size else size + 1


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends; 0 when its size is not stated, as in live streams."""
    file.seek(0)
    head = file.read(HEAD)
    at = head.find(SEGMENT)
    if at < 0 or at + 5 > len(head):
        return 0
    first = head[at + 4]
    length = 9 - first.bit_length()
    field = head[at + 4 : at + 4 + length]
    if first == 0 or len(field) < length:
        return 0
    value = int.from_bytes(field, "big") & ((1 << (7 * length)) - 1)
    unknown = (1 << (7 * length)) - 1
    return 0 if value == unknown else at + 4 + length + value
