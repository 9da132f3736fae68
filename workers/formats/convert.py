"""Conversion of splats and meshes between the formats of the registry.

PLY and GLB keep a splat's float32 values, SPZ and SOG round them (docs/benchmarks/formats.md), and SOG
reorders. Of a mesh, vertices, faces and vertex colours are converted; textures, materials, node trees, skins
and animations are not.
"""

from maquette.contract.formats import AssetFormat

from workers.formats.glb_reader import GlbError, read_glb
from workers.formats.mesh_readers import OBJ_VERTEX, MeshError
from workers.formats.ply_header import PlyError, has_splat_properties
from workers.formats.registry import MESH_CODECS, SPLAT_CODECS, AssetKind
from workers.formats.sog import SogError
from workers.formats.splat_glb import has_splats
from workers.formats.spz import SpzError
from workers.geometry.gaussians import transform
from workers.geometry.poses import Similarity

HALF_TURN_ABOUT_X = Similarity(rotation=(0.0, 1.0, 0.0, 0.0))
# An OBJ has no signature: a vertex must occur within this many bytes.
OBJ_PROBE = 1 << 16


class ConvertError(ValueError):
    """The file cannot be converted; the message says why."""


class FormatMismatch(ConvertError):
    """The asset cannot be written in that format: it is of the other kind, or the format is unknown."""


def detect(data: bytes) -> tuple[AssetKind, AssetFormat]:
    """The kind of an asset and its format, from its bytes alone; raises ConvertError for unknown files."""
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


def convert_asset(data: bytes, target: str, *, y_down: bool = False) -> bytes:
    """A splat or a mesh in another format of its kind; `y_down` is for splats, see `convert_splat`.

    Raises ConvertError for files that cannot be read or written, FormatMismatch for a target of the other
    kind.
    """
    kind, source = detect(data)
    if kind == "splat":
        return convert_splat(data, source, target, y_down=y_down)
    return convert_mesh(data, source, target)


def convert_splat(data: bytes, source: str | None, target: str, *, y_down: bool = False) -> bytes:
    """A splat file in another format; `source` None detects it from the bytes.

    All formats hold the canonical frame (x right, y up, z back), so values are kept. With `y_down`, PLY and
    SOG hold 3DGS's axes instead (x right, y down, z forward), and the splat is rotated by 180 degrees about x
    whenever it enters or leaves one of them. Raises ConvertError for files that cannot be read or written,
    FormatMismatch for formats that are not of splats.
    """
    source = _check_format(data, source, "splat")
    reader, writer = SPLAT_CODECS[source], SPLAT_CODECS[_check_name(target, "splat")]
    try:
        splat = reader.read(data)
        if y_down and reader.y_down_when_trained != writer.y_down_when_trained:
            splat = transform(splat, HALF_TURN_ABOUT_X)
        return writer.write(splat)
    except (PlyError, SpzError, SogError, GlbError) as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def convert_mesh(data: bytes, source: str | None, target: str) -> bytes:
    """A mesh file in another format, in its own frame and units; `source` None detects it from the bytes.

    Raises ConvertError for files that cannot be read, FormatMismatch for formats that are not of meshes.
    """
    source = _check_format(data, source, "mesh")
    reader, writer = MESH_CODECS[source], MESH_CODECS[_check_name(target, "mesh")]
    try:
        return writer.write(reader.read(data))
    except MeshError as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def _check_format(data: bytes, source: str | None, kind: AssetKind) -> AssetFormat:
    """The format of the data, which must be of that kind; a given `source` is trusted."""
    if source is not None:
        return _check_name(source, kind)
    detected, name = detect(data)
    if detected != kind:
        raise FormatMismatch(f"a {detected} in {name} is not a {kind}")
    return name


def _check_name(name: str, kind: AssetKind) -> AssetFormat:
    known = SPLAT_CODECS if kind == "splat" else MESH_CODECS
    for candidate in known:
        if candidate == name:
            return candidate
    raise FormatMismatch(f"a {kind} becomes one of {', '.join(known)}, not {name!r}")
