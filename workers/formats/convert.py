"""From one file format to another: splats to splats, meshes to meshes, and telling which is which.

Splats: PLY and GLB keep float32, SPZ and SOG round (docs/formats.md measures it), and SOG reorders. Meshes:
vertices, faces and vertex colours go on; textures, materials, node trees, skins and animations do not.
"""

from typing import Literal, get_args

from workers.formats.glb_reader import GlbError, read_glb
from workers.formats.mesh_readers import (
    OBJ_VERTEX,
    MeshError,
    read_mesh_glb,
    read_mesh_obj,
    read_mesh_ply,
)
from workers.formats.mesh_writers import write_mesh_glb, write_mesh_obj, write_mesh_ply
from workers.formats.ply_header import PlyError, has_splat_properties
from workers.formats.sog import SogError, write_sog
from workers.formats.sog_reader import read_sog
from workers.formats.splat_glb import has_splats, read_splat_glb, write_splat_glb
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import SpzError, read_spz, write_spz
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.poses import Similarity

SplatFormat = Literal["ply", "spz", "sog", "khr_glb"]
MeshFormat = Literal["glb", "obj", "ply"]
Kind = Literal["splat", "mesh"]
SPLAT_FORMATS: tuple[SplatFormat, ...] = get_args(SplatFormat)
MESH_FORMATS: tuple[MeshFormat, ...] = get_args(MeshFormat)
# 3DGS training writes y down into these; SPZ and glTF are y up by their specifications.
Y_DOWN_FORMATS: frozenset[SplatFormat] = frozenset({"ply", "sog"})
HALF_TURN_ABOUT_X = Similarity(rotation=(0.0, 1.0, 0.0, 0.0))
OBJ_PROBE = 1 << 16

SPLAT_READERS = {"ply": read_splat_ply, "spz": read_spz, "sog": read_sog, "khr_glb": read_splat_glb}
SPLAT_WRITERS = {"ply": write_splat_ply, "spz": write_spz, "sog": write_sog, "khr_glb": write_splat_glb}
MESH_READERS = {"glb": read_mesh_glb, "obj": read_mesh_obj, "ply": read_mesh_ply}
MESH_WRITERS = {"glb": write_mesh_glb, "obj": write_mesh_obj, "ply": write_mesh_ply}


class ConvertError(ValueError):
    """The file cannot be converted; the message says why."""


def detect(data: bytes) -> tuple[Kind, SplatFormat | MeshFormat]:
    """What a file holds and its format, from its bytes alone; raises ConvertError when neither is known."""
    if data[:2] == b"\x1f\x8b" or data[:4] == b"NGSP":
        return "splat", "spz"
    if data[:4] == b"PK\x03\x04":
        return "splat", "sog"
    if data[:3] == b"ply":
        return ("splat" if has_splat_properties(data) else "mesh"), "ply"
    if data[:4] == b"glTF":
        try:
            return ("splat", "khr_glb") if has_splats(read_glb(data)) else ("mesh", "glb")
        except GlbError as error:
            raise ConvertError(str(error)) from error
    if OBJ_VERTEX.search(data, 0, OBJ_PROBE):
        return "mesh", "obj"
    raise ConvertError("neither a splat (PLY, SPZ, SOG, GLB) nor a mesh (GLB, OBJ, PLY)")


def convert_splat(
    data: bytes, source: SplatFormat | None, target: SplatFormat, *, y_down: bool = False
) -> bytes:
    """A splat file in another format; `source` None takes it from the bytes.

    All formats hold the canonical frame (x right, y up, z back), so numbers stay. With `y_down`, PLY and SOG
    hold 3DGS's axes instead (x right, y down, z forward), and the splat is turned by 180 degrees about x
    wherever it enters or leaves one of them. Raises ConvertError for files that cannot be read or written.
    """
    if source is None:
        source = _splat_format(data)
    try:
        splat: Gaussians = SPLAT_READERS[source](data)
        if y_down and (source in Y_DOWN_FORMATS) != (target in Y_DOWN_FORMATS):
            splat = transform(splat, HALF_TURN_ABOUT_X)
        return SPLAT_WRITERS[target](splat)
    except (PlyError, SpzError, SogError, GlbError) as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def convert_mesh(data: bytes, source: MeshFormat | None, target: MeshFormat) -> bytes:
    """A mesh file in another format, in its frame and units; `source` None takes it from the bytes.

    Raises ConvertError for files that cannot be read.
    """
    if source is None:
        source = _mesh_format(data)
    try:
        return MESH_WRITERS[target](MESH_READERS[source](data))
    except MeshError as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def _splat_format(data: bytes) -> SplatFormat:
    kind, name = detect(data)
    for known in SPLAT_FORMATS:
        if kind == "splat" and name == known:
            return known
    raise ConvertError(f"a {kind} in {name} is not a splat")


def _mesh_format(data: bytes) -> MeshFormat:
    kind, name = detect(data)
    for known in MESH_FORMATS:
        if kind == "mesh" and name == known:
            return known
    raise ConvertError(f"a {kind} in {name} is not a mesh")
