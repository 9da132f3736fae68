"""Detects splats and meshes by their first bytes; runs inside the sandbox. Convert jobs read them all."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

HEAD = 1 << 16
OBJ_VERTEX = re.compile(rb"^v[ \t]+-?[\d.]", re.MULTILINE)
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
    if head[:4] == b"ply\n" or head[:5] == b"ply\r\n":
        return "ply"
    if head[:4] == b"glTF":
        return "glb"
    if head[:4] == b"NGSP" or (head[:2] == b"\x1f\x8b" and _decompress_magic(head) == b"NGSP"):
        return "spz"
    if head[:4] == b"PK\x03\x04" and _is_sog(path):
        return "sog"
    # a file with a zero byte is not text
    return "obj" if b"\0" not in head and OBJ_VERTEX.search(head) else None


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
