"""The container of GLB 2.0: a header, a JSON chunk and a binary chunk."""

import json
import struct
from collections.abc import Mapping
from typing import Any

MAGIC = 0x46546C67
JSON_CHUNK = 0x4E4F534A
BIN_CHUNK = 0x004E4942


def pack_glb(document: Mapping[str, Any], binary: bytes) -> bytes:
    """A GLB of a glTF document and its one buffer; the entry `buffers` is added here.

    The same content gives the same bytes. Raises ValueError for numbers that are not finite.
    """
    content = dict(document)
    if binary:
        content["buffers"] = [{"byteLength": len(binary)}]
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    chunks = _chunk(JSON_CHUNK, text, b" ")
    if binary:
        chunks += _chunk(BIN_CHUNK, binary, b"\0")
    return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks


def _chunk(kind: int, data: bytes, pad: bytes) -> bytes:
    padded = data + pad * (-len(data) % 4)
    return struct.pack("<II", len(padded), kind) + padded
