"""Detects splats and meshes by their first bytes; runs inside the sandbox. Convert jobs read them all."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

HEAD = 1 << 16
# An OBJ has no signature: a vertex must occur within about `HEAD` bytes, not counting comments.
OBJ_VERTEX = re.compile(rb"^[ \t]*v[ \t]+[-+]?[\d.]", re.MULTILINE)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Behind longer comments, an OBJ is not found.
MAX_COMMENTS = 16 << 20
COMMENT_LINES = re.compile(rb"^[ \t]*#[^\n]*\n", re.MULTILINE)
BEGUN_COMMENT = re.compile(rb"^[ \t]*#[^\n]*\Z", re.MULTILINE)
PLY_START = re.compile(rb"ply[ \t]*[\r\n]")
MEDIA_TYPES = {
    "ply": "application/x-ply",
    "spz": "application/x-spz",
    "sog": "application/x-sog",
    "glb": "model/gltf-binary",
    "obj": "model/obj",
}


def probe(path: str) -> dict[str, Any] | None:
    """Format of an asset; None when the bytes are not a splat or mesh that can be converted."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD)
    name = _detect_format(path, head)
    if name is None:
        return None
    return {
        "kind": "asset",
        "media_type": MEDIA_TYPES[name],
        "width": None,
        "height": None,
        "frames": None,
        "codec": name,
    }


def _detect_format(path: str, head: bytes) -> str | None:
    if PLY_START.match(head):
        return "ply"
    if head[:4] == b"glTF":
        return "glb"
    if head[:4] == b"NGSP" or (head[:2] == b"\x1f\x8b" and _decompress_magic(head) == b"NGSP"):
        return "spz"
    if head[:4] == b"PK\x03\x04" and _is_sog(path):
        return "sog"
    with Path(path).open("rb") as file:
        return "obj" if find_obj_vertex(file) else None


def find_obj_vertex(file: BinaryIO) -> bool:
    """Whether a file, from its start, is a text with a vertex as OBJ writes it."""
    chunk = file.read(HEAD).removeprefix(BYTE_ORDER_MARK)
    text, read = b"", 0
    # a file with a zero byte is not text
    while chunk and b"\0" not in chunk and len(text) < HEAD and read < MAX_COMMENTS:
        read += len(chunk)
        # of a comment that goes on in the next chunk, its sign is left
        text = COMMENT_LINES.sub(b"", text + chunk.replace(b"\r", b"\n"))
        text = BEGUN_COMMENT.sub(b"#", text)
        if OBJ_VERTEX.search(text):
            return True
        chunk = file.read(HEAD)
    return False


def _decompress_magic(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 4)
    except zlib.error:
        return b""


def _is_sog(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            # some archivers add the folder, and those of Windows its separator
            return any(re.split(r"[/\\]", name)[-1] == "meta.json" for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
