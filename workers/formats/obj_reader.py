"""Reading Wavefront OBJ: vertices, `v x y z r g b` colours and faces.

trimesh is not used: it loses the vertex after a byte order mark and indented lines, takes indices below zero
from the end of the file instead of from the face's place, and clips colours of 0 to 255 to 1.
"""

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import to_color_bytes
from workers.formats.losses import Losses
from workers.formats.mesh_checks import MeshError, build_mesh, check_file_size, split_polygons
from workers.geometry.meshes import Mesh

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Columns of a vertex: x y z, then w, or r g b, or r g b a.
WIDTHS = (3, 4, 6, 7)
LARGEST_INDEX = 1 << 40
CURVES = (b"curv", b"curv2", b"surf")


def read_mesh_obj(data: bytes, losses: Losses | None = None) -> Mesh:
    """Vertices, faces and `v x y z r g b` colours of an OBJ; polygons become fans of triangles.

    Colours are 0 to 1, or 0 to 255 where one exceeds 1; vertices without one are white where others have
    colours. The weight `w` of a vertex does not move it. Lines, points, curves and materials, which are in
    another file, are left out and counted. Raises MeshError for text that is not an OBJ, and for faces of
    vertices that do not exist.
    """
    check_file_size(data)
    text = _ObjText(Losses() if losses is None else losses)
    try:
        for words in _split_statements(data):
            text.read(words)
    except ValueError as error:
        if isinstance(error, MeshError):
            raise
        raise MeshError(f"the OBJ cannot be read: {error}") from error
    return text.build()


class _ObjText:
    """Collects the statements of an OBJ."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._positions, self._colors = array("d"), array("d")
        # vertices that have the colours, in order
        self._colored = array("q")
        self._corners, self._counts = array("q"), array("q")
        self._materials: set[bytes] = set()
        self._vertices = 0

    def read(self, words: list[bytes]) -> None:
        """Take one statement: its keyword and its arguments."""
        keyword = words[0]
        if keyword == b"v":
            self._read_vertex(words)
        elif keyword in (b"f", b"fo"):
            self._read_face(words)
        elif keyword == b"l":
            self._losses["lines"] += max(1, len(words) - 2)
        elif keyword == b"p":
            self._losses["points"] += len(words) - 1
        elif keyword in CURVES:
            self._losses["curves"] += 1
        elif keyword == b"usemtl":
            self._materials.add(b" ".join(words[1:]))

    def build(self) -> Mesh:
        """The mesh of all statements."""
        if not self._vertices:
            raise MeshError("the OBJ has no vertices, or not three numbers for each")
        self._losses["materials"] += len(self._materials)
        counts = np.frombuffer(self._counts, dtype=np.int64)
        corners = np.frombuffer(self._corners, dtype=np.int64)
        vertices = np.frombuffer(self._positions, dtype=np.float64).reshape(-1, 3)
        return build_mesh(vertices, split_polygons(counts, corners), self._build_colors())

    def _build_colors(self) -> NDArray[np.uint8] | None:
        if not self._colored:
            return None
        colors = np.full((self._vertices, 3), 255, dtype=np.uint8)
        given = np.frombuffer(self._colors, dtype=np.float64).reshape(-1, 3)
        colors[np.frombuffer(self._colored, dtype=np.int64)] = to_color_bytes(given)
        return colors

    def _read_vertex(self, words: list[bytes]) -> None:
        numbers = [float(word) for word in words[1:]]
        if len(numbers) not in WIDTHS:
            raise MeshError("each vertex of the OBJ needs three numbers, four with w, or six with a colour")
        self._positions.extend(numbers[:3])
        if len(numbers) >= 6:
            self._colors.extend(numbers[3:6])
            self._colored.append(self._vertices)
        self._vertices += 1

    def _read_face(self, words: list[bytes]) -> None:
        corners = [int(word.split(b"/", 1)[0]) for word in words[1:]]
        # Negative indices count back from the last vertex so far.
        corners = [self._vertices + corner if corner < 0 else corner - 1 for corner in corners]
        if len(corners) < 3 or not 0 <= min(corners) <= max(corners) < LARGEST_INDEX:
            raise MeshError("a face of the OBJ needs three vertices that exist")
        self._corners.extend(corners)
        self._counts.append(len(corners))


def _split_statements(data: bytes) -> Iterator[list[bytes]]:
    """The words of each statement, without comments, with continued lines joined."""
    begun: list[bytes] = []
    for line in data.removeprefix(BYTE_ORDER_MARK).splitlines():
        # a comment ends with its line, even where it ends with a backslash
        statement = line.split(b"#", 1)[0].rstrip()
        if statement.endswith(b"\\"):
            begun += statement[:-1].split()
            continue
        words = begun + statement.split()
        begun = []
        if words:
            yield words
    if begun:
        yield begun
