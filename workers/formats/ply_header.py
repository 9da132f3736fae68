"""The header of PLY files, of splats and of meshes alike."""

import re
from dataclasses import dataclass
from typing import Literal

# NumPy's names for the types of properties, in both spellings that PLY files use, without byte order.
DTYPES = {
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
}
# The first line also says how the lines of the header end.
FIRST_LINE = re.compile(rb"ply[ \t]*(\r\n|\n|\r)")
BYTE_ORDERS: dict[str, Literal["<", ">"]] = {"binary_little_endian": "<", "binary_big_endian": ">"}
MAX_HEADER = 1 << 20
MAX_DIGITS = 18


class PlyError(ValueError):
    """The bytes are not a PLY that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class PlyElement:
    """One element of a PLY, such as `vertex`, with `count` records.

    A property is a list of words: [type, name], or [list, count type, item type, name]; types are keys of
    `DTYPES`.
    """

    name: str
    count: int
    properties: list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlyHeader:
    """The elements of a PLY and the offset `start` of its data; `byte_order` is None for ASCII.

    `textures` counts the image files that its comments name.
    """

    elements: list[PlyElement]
    start: int
    byte_order: Literal["<", ">"] | None
    textures: int


def parse_header(data: bytes) -> PlyHeader:
    """The header of a PLY, whose lines may end in LF, CRLF or CR; raises PlyError when it is broken."""
    text, start = _find_header(data)
    lines = [line.decode("latin-1").split() for line in text.splitlines()]
    encoding = next((words[1] for words in lines if len(words) == 3 and words[0] == "format"), None)
    if encoding != "ascii" and encoding not in BYTE_ORDERS:
        raise PlyError("the format is not ascii, binary_little_endian or binary_big_endian")
    elements: list[PlyElement] = []
    for words in lines:
        if words[:1] == ["element"]:
            elements.append(_parse_element(words))
        elif words[:1] == ["property"]:
            if not elements or not _is_property(words):
                raise PlyError(f"unknown property: {' '.join(words)[:200]}")
            elements[-1].properties.append(words[1:])
    for element in elements:
        names = [words[-1] for words in element.properties]
        if not names or len(set(names)) != len(names):
            raise PlyError(f"the element {element.name!r} has no properties, or repeats one")
    textures = sum(words[:2] == ["comment", "TextureFile"] for words in lines)
    return PlyHeader(elements=elements, start=start, byte_order=BYTE_ORDERS.get(encoding), textures=textures)


def has_splat_properties(data: bytes) -> bool:
    """Whether the header of a PLY has properties of Gaussians, not only of a mesh."""
    try:
        return b" f_dc_0" in _find_header(data)[0]
    except PlyError:
        return False


def _find_header(data: bytes) -> tuple[bytes, int]:
    """The lines between the first one and `end_header`, and the offset of the data."""
    first = FIRST_LINE.match(data)
    if first is None:
        raise PlyError("no PLY header")
    newline = re.escape(first[1])
    end = re.compile(newline + rb"end_header[ \t]*" + newline).search(
        data, first.end(1) - len(first[1]), MAX_HEADER
    )
    if end is None:
        raise PlyError("no PLY header that ends")
    return data[first.end() : end.start()], end.end()


def _parse_element(words: list[str]) -> PlyElement:
    if len(words) != 3 or not words[2].isdecimal() or len(words[2]) > MAX_DIGITS:
        raise PlyError("an element needs a name and a count")
    return PlyElement(words[1], int(words[2]), [])


def _is_property(words: list[str]) -> bool:
    is_list = words[1:2] == ["list"]
    types = words[2:4] if is_list else words[1:2]
    return len(words) == (5 if is_list else 3) and all(kind in DTYPES for kind in types)
