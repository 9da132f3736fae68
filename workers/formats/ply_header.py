"""The header of binary little-endian PLY files, of splats and of meshes alike."""

from dataclasses import dataclass

# NumPy's names for the types of properties, in both spellings that PLY files use.
DTYPES = {
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
    **dict.fromkeys(("char", "int8"), "<i1"),
    **dict.fromkeys(("uchar", "uint8"), "<u1"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("int", "int32"), "<i4"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
}
END = b"end_header\n"
MAX_HEADER = 65536
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


def parse_header(data: bytes) -> tuple[list[PlyElement], int]:
    """The elements of a PLY and the offset of its data; raises PlyError when the header is broken."""
    end = data.find(END, 0, MAX_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise PlyError("no PLY header")
    try:
        lines = [line.split() for line in data[:end].decode("ascii").splitlines()[1:]]
    except UnicodeDecodeError as error:
        raise PlyError("the header is not ASCII") from error
    if ["format", "binary_little_endian", "1.0"] not in lines:
        raise PlyError("only binary_little_endian PLY is supported")
    elements: list[PlyElement] = []
    for words in lines:
        if words[:1] == ["element"]:
            elements.append(_parse_element(words))
        elif words[:1] == ["property"]:
            if not elements or not _is_property(words):
                raise PlyError(f"unknown property: {' '.join(words)}")
            elements[-1].properties.append(words[1:])
    for element in elements:
        names = [words[-1] for words in element.properties]
        if not names or len(set(names)) != len(names):
            raise PlyError(f"the element {element.name!r} has no properties, or repeats one")
    return elements, end + len(END)


def has_splat_properties(data: bytes) -> bool:
    """Whether the header of a PLY has properties of Gaussians, not only of a mesh."""
    return b" f_dc_0" in data[: max(0, data.find(END, 0, MAX_HEADER))]


def _parse_element(words: list[str]) -> PlyElement:
    if len(words) != 3 or not words[2].isdigit() or len(words[2]) > MAX_DIGITS:
        raise PlyError("an element needs a name and a count")
    return PlyElement(words[1], int(words[2]), [])


def _is_property(words: list[str]) -> bool:
    is_list = words[1:2] == ["list"]
    types = words[2:4] if is_list else words[1:2]
    return len(words) == (5 if is_list else 3) and all(kind in DTYPES for kind in types)
