"""Detects splats and meshes by their first bytes; runs inside the sandbox. Convert jobs read them all."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

HEAD = 1 << 16
# An OBJ has no signature: a vertex must occur within `HEAD` bytes, not counting comments before them.
OBJ_VERTEX = re.compile(rb"^[ \t]*v[ \t]+[-+]?[\d.]", re.MULTILINE)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Longer comments at the start of a text are not searched for the OBJ behind them.
MAX_COMMENTS = 16 << 20
LEADING_COMMENTS = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*")
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
    head = file.read(HEAD).removeprefix(BYTE_ORDER_MARK).replace(b"\r", b"\n")
    read = len(head)
    # a file with a zero byte is not text
    while b"\0" not in head:
        # only blank lines and comments are skipped, the last one as far as it has been read
        rest = LEADING_COMMENTS.sub(b"", head, count=1)
        if rest and not rest.startswith(b"#"):
            rest += file.read(HEAD - len(rest)).replace(b"\r", b"\n")
            return b"\0" not in rest and OBJ_VERTEX.search(rest) is not None
        more = file.read(HEAD).replace(b"\r", b"\n")
        read += len(more)
        if not more or read > MAX_COMMENTS:
            return False
        head = rest[:1] + more
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
