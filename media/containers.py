"""What a file's own structure says without decoding: whether it was cut, and which colours it declares."""

import struct
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 18
EBML = b"\x1a\x45\xdf\xa3"
IMAGE_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
PNG_END = b"IEND\xaeB`\x82"
GIF_TRAILER = b";"
# bytes behind the end of a PNG or GIF that are no sign of a cut
TAIL = 1 << 12
TS_PACKET, TS_SYNC = 188, b"G"
FLV_TAG_HEADER = 11
# what writers to a pipe leave in place of the size
UNKNOWN_RIFF_SIZE = 0xFFFFFFFF
IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
SEGMENT = b"\x18\x53\x80\x67"


def is_truncated(path: str) -> bool:
    """Whether a file ends before its container says.

    Known of MP4 and MOV, AVI and WebP (RIFF), Matroska and WebM, MPEG-TS, FLV, GIF and PNG.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(TS_PACKET + 1)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            return _boxes_end(file, size) > size
        if head[:4] == b"RIFF" and len(head) >= 8:
            length = int(struct.unpack("<I", head[4:8])[0])
            return length != UNKNOWN_RIFF_SIZE and 8 + length > size
        if head[:4] == EBML:
            return _segment_end(file) > size
        if head[:3] == b"FLV":
            return _tags_end(file, size) > size
        if head[:1] == head[TS_PACKET:] == TS_SYNC:
            return size % TS_PACKET != 0
        if head.startswith(IMAGE_SIGNATURES[1:4]):
            return not _has_end(file, size, PNG_END if head[:1] == b"\x89" else GIF_TRAILER)
    return False


def is_begun_image(path: str) -> bool:
    """Whether a file begins as a JPEG, PNG, GIF, TIFF, WebP, HEIF or AVIF image does."""
    with Path(path).open("rb") as file:
        head = file.read(12)
    return (
        head.startswith(IMAGE_SIGNATURES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in IMAGE_BRANDS)
    )


def is_begun_video(path: str) -> bool:
    """Whether a file begins as a Matroska, WebM, AVI or FLV video does; for MP4 see `is_cut_movie`."""
    with Path(path).open("rb") as file:
        head = file.read(12)
    return head[:4] == EBML or head[:4] == b"FLV\x01" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


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


def _tags_end(file: BinaryIO, size: int) -> int:
    """Where the last tag of an FLV file ends."""
    file.seek(5)
    # the header is followed by the size of the tag before the first one, 0
    end = int.from_bytes(file.read(4), "big") + 4
    while end + FLV_TAG_HEADER <= size:
        file.seek(end + 1)
        end += FLV_TAG_HEADER + int.from_bytes(file.read(3), "big") + 4
    # what follows the last tag is its size, and may be left out
    return end - 4 if end >= size else size + 1


def _has_end(file: BinaryIO, size: int, mark: bytes) -> bool:
    """Whether the end of a file holds a mark; a GIF's is one byte, which only zeros may follow."""
    file.seek(max(0, size - TAIL))
    tail = file.read().rstrip(b"\0")
    return tail.endswith(mark) or (len(mark) > 1 and mark in tail)


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
