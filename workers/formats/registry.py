"""Every file format of assets in one table: what it holds, how it is named, who reads and writes it.

Jobs, the converter and `maquette-convert` look formats up here instead of testing their names. To add a
format of splats or meshes, write a writer, and a reader if uploads may have it, and add a row. For one that
needs more than a splat or a mesh (a skeleton), add its description here and its writer to the job that writes
it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from maquette.contract.formats import AssetFormat, BodyFormat, ObjectFormat

from workers.formats.glb_mesh_reader import read_mesh_glb
from workers.formats.html_viewer.writers import write_mesh_html, write_splat_html
from workers.formats.losses import Losses
from workers.formats.mesh_writers import write_mesh_glb, write_mesh_ply, write_mesh_stl
from workers.formats.obj_reader import read_mesh_obj
from workers.formats.obj_writer import list_obj_side_files, write_mesh_obj
from workers.formats.packed_splats import write_ksplat, write_splat
from workers.formats.ply_mesh_reader import read_mesh_ply
from workers.formats.sog import write_sog
from workers.formats.sog_reader import read_sog
from workers.formats.splat_glb import read_splat_glb, write_splat_glb
from workers.formats.splat_ply import read_splat_ply, write_splat_ply
from workers.formats.spz import read_spz, write_spz
from workers.formats.usdz import check_usd, write_mesh_usdz
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

AssetKind = Literal["splat", "mesh"]
Role = Literal["splat", "mesh", "motion", "parameters"]
Asset = TypeVar("Asset", Gaussians, Mesh)
AssetRead = TypeVar("AssetRead", Gaussians, Mesh, covariant=True)


class AssetReader(Protocol[AssetRead]):
    """Reads an asset from the bytes of a file; what is left out is added to `losses`."""

    def __call__(self, data: bytes, losses: Losses | None = None) -> AssetRead: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """What a file format is, whoever writes it.

    `extension` has no leading dot, `role` is that of the artefact, `loses` says what the file cannot hold.
    `check` raises an ImportError that names the extra to install when the format's library is missing.
    """

    extension: str
    media_type: str
    role: Role
    loses: str
    check: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetWriter(FileFormat, Generic[Asset]):
    """A format with the writer of one kind of asset.

    `y_down_when_trained` marks formats into which 3DGS training writes y down; the others are y up by their
    specifications. Of meshes, `holds_textures` and `holds_colors` mark formats that keep textures and colours
    of vertices, `blends_colors` those that keep the colours of textured vertices too, and `list_side_files`
    returns the files that a written file names, by name, with their media types. Of splats, `holds_harmonics`
    marks formats that keep spherical harmonics beyond degree 0.
    """

    write: Callable[[Asset], bytes]
    list_side_files: Callable[[Asset], Mapping[str, tuple[str, bytes]]] | None = None
    y_down_when_trained: bool = False
    holds_textures: bool = False
    holds_colors: bool = True
    blends_colors: bool = False
    holds_harmonics: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetCodec(AssetWriter[Asset]):
    """A format with the reader and the writer of one kind of asset."""

    read: AssetReader[Asset]


SPLAT_CODECS: Mapping[AssetFormat, AssetCodec[Gaussians]] = {
    "ply": AssetCodec(
        extension="ply",
        media_type="application/x-ply",
        role="splat",
        loses="nothing",
        read=read_splat_ply,
        holds_harmonics=True,
        write=write_splat_ply,
        y_down_when_trained=True,
    ),
    "spz": AssetCodec(
        extension="spz",
        media_type="application/x-spz",
        role="splat",
        loses="precision of all values",
        read=read_spz,
        holds_harmonics=True,
        write=write_spz,
    ),
    "sog": AssetCodec(
        extension="sog",
        media_type="application/x-sog",
        role="splat",
        loses="precision of all values; the order of Gaussians",
        read=read_sog,
        holds_harmonics=True,
        write=write_sog,
        y_down_when_trained=True,
    ),
    "khr_glb": AssetCodec(
        extension="splat.glb",
        media_type="model/gltf-binary",
        role="splat",
        loses="nothing",
        read=read_splat_glb,
        holds_harmonics=True,
        write=write_splat_glb,
    ),
}
MESH_CODECS: Mapping[AssetFormat, AssetCodec[Mesh]] = {
    "glb": AssetCodec(
        extension="glb",
        media_type="model/gltf-binary",
        role="mesh",
        loses="float64 precision of vertices",
        read=read_mesh_glb,
        write=write_mesh_glb,
        holds_textures=True,
        blends_colors=True,
    ),
    "obj": AssetCodec(
        extension="obj",
        media_type="model/obj",
        role="mesh",
        loses="vertices beyond 8 decimals",
        read=read_mesh_obj,
        write=write_mesh_obj,
        list_side_files=list_obj_side_files,
        holds_textures=True,
        blends_colors=True,
    ),
    "ply": AssetCodec(
        extension="ply",
        media_type="application/x-ply",
        role="mesh",
        loses="float64 precision of vertices",
        read=read_mesh_ply,
        write=write_mesh_ply,
    ),
}
# Every format that a splat and a mesh can be written in, read here or not.
SPLAT_WRITERS: Mapping[AssetFormat, AssetWriter[Gaussians]] = {
    **SPLAT_CODECS,
    "splat": AssetWriter(
        extension="splat",
        media_type="application/octet-stream",
        role="splat",
        loses="precision of colours, opacities and rotations; the order of Gaussians; harmonics",
        write=write_splat,
        y_down_when_trained=True,
    ),
    "ksplat": AssetWriter(
        extension="ksplat",
        media_type="application/octet-stream",
        role="splat",
        loses="precision of colours and opacities; harmonics",
        write=write_ksplat,
        y_down_when_trained=True,
    ),
    "html": AssetWriter(
        extension="html",
        media_type="text/html",
        role="splat",
        loses="precision of all values but means; harmonics",
        write=write_splat_html,
    ),
}
MESH_WRITERS: Mapping[AssetFormat, AssetWriter[Mesh]] = {
    **MESH_CODECS,
    "stl": AssetWriter(
        extension="stl",
        media_type="model/stl",
        role="mesh",
        loses="colours, textures, shared vertices, the unit",
        write=write_mesh_stl,
        holds_colors=False,
    ),
    "usdz": AssetWriter(
        extension="usdz",
        media_type="model/vnd.usdz+zip",
        role="mesh",
        loses="float64 precision of vertices",
        check=check_usd,
        write=write_mesh_usdz,
        holds_textures=True,
    ),
    "html": AssetWriter(
        extension="html",
        media_type="text/html",
        role="mesh",
        loses="float64 precision of vertices",
        write=write_mesh_html,
        holds_textures=True,
        blends_colors=True,
    ),
}
# Meshes with a baked texture; the objects job has the writers.
TEXTURED_FORMATS: Mapping[ObjectFormat, FileFormat] = {
    "textured_glb": FileFormat(
        extension="textured.glb",
        media_type="model/gltf-binary",
        role="mesh",
        loses="faces beyond 10,000; vertex colours",
    ),
    "usdz": FileFormat(
        extension="usdz",
        media_type="model/vnd.usdz+zip",
        role="mesh",
        loses="faces beyond 10,000; vertex colours",
        check=check_usd,
    ),
}
# Bodies; the bodies job has the writers.
BODY_FORMATS: Mapping[BodyFormat, FileFormat] = {
    "glb": FileFormat(
        extension="glb", media_type="model/gltf-binary", role="mesh", loses="keypoints and parameters"
    ),
    "obj": FileFormat(
        extension="obj", media_type="model/obj", role="mesh", loses="the skeleton and its pose"
    ),
    "ply": FileFormat(
        extension="ply", media_type="application/x-ply", role="mesh", loses="the skeleton and its pose"
    ),
    "bvh": FileFormat(extension="bvh", media_type="text/plain", role="motion", loses="the mesh and its skin"),
    "npz": FileFormat(extension="npz", media_type="application/x-npz", role="parameters", loses="nothing"),
    "json": FileFormat(
        extension="json",
        media_type="application/json",
        role="parameters",
        loses="the mesh; digits beyond six",
    ),
}


def check_installed(formats: Iterable[FileFormat]) -> None:
    """Raise ImportError, with the extra to install, for a format whose library is missing."""
    for item in formats:
        if item.check is not None:
            item.check()
