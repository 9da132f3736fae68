"""A stand-in for the package plyfile, which is under the GPL: upstream needs it to write one table.

`child.py` registers it under that name where the package is not installed.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"f4": "float", "f8": "double", "u1": "uchar", "i4": "int"}


class PlyElement:
    """A structured array (N,) and its name."""

    def __init__(self, data: NDArray[Any], name: str) -> None:
        self.data, self.name = data, name

    @staticmethod
    def describe(data: NDArray[Any], name: str) -> "PlyElement":
        """The element of a table."""
        return PlyElement(data, name)

    def header(self) -> list[str]:
        """Its lines of the header."""
        fields = self.data.dtype
        names = fields.names or ()
        properties = [f"property {TYPES[fields[name].str[1:]]} {name}" for name in names]
        return [f"element {self.name} {len(self.data)}", *properties]


class PlyData:
    """A PLY file of some elements."""

    def __init__(self, elements: list[PlyElement]) -> None:
        self.elements = elements

    def write(self, path: str) -> None:
        """Write the binary little-endian file."""
        lines = ["ply", "format binary_little_endian 1.0"]
        for element in self.elements:
            lines += element.header()
        packed = [np.asarray(e.data, dtype=e.data.dtype.newbyteorder("<")).tobytes() for e in self.elements]
        Path(path).write_bytes("\n".join([*lines, "end_header\n"]).encode("ascii") + b"".join(packed))
