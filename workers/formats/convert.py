"""Conversion of splats and meshes between the formats of the registry.

PLY and GLB keep a splat's float32 values, SPZ and SOG round them (docs/benchmarks/formats.md), and SOG
reorders. Of a mesh, vertices, faces, vertex colours and textures of base colour are converted. What a file
has and its conversion has not is counted, so that nothing is lost without a flag.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from maquette.contract.formats import AssetFormat

from workers.formats.glb_accessors import GlbError
from workers.formats.glb_reader import read_glb
from workers.formats.losses import Losses
from workers.formats.mesh_checks import MeshError, MeshTooLarge
from workers.formats.packed_splats import PackedSplatError
from workers.formats.ply_header import PlyError, has_splat_properties
from workers.formats.registry import (
    MESH_CODECS,
    MESH_WRITERS,
    SPLAT_CODECS,
    SPLAT_WRITERS,
    AssetKind,
    AssetWriter,
    check_installed,
)
from workers.formats.sog import SogError
from workers.formats.splat_glb import has_splats
from workers.formats.spz import SpzError
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity

HALF_TURN_ABOUT_X = Similarity(rotation=(0.0, 1.0, 0.0, 0.0))
# An OBJ has no signature: it is a text, whose first bytes have no zero, with a vertex on some line.
OBJ_VERTEX = re.compile(rb"(?:^|[\r\n]|\A\xef\xbb\xbf)[ \t]*v[ \t]+[-+]?[\d.]")
TEXT_PROBE = 1 << 16
FORMAT_ERRORS = (PlyError, SpzError, SogError, GlbError, MeshError, PackedSplatError)


class ConvertError(ValueError):
    """The file cannot be converted; the message says why."""


class AssetTooLarge(ConvertError):
    """The asset takes more memory than is allowed."""


class FormatMismatch(ConvertError):
    """The asset cannot be written in that format: it is of the other kind, or the format is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedAsset:
    """A splat or a mesh in memory, the format that it had, and what its reader left out."""

    source: AssetFormat
    asset: Gaussians | Mesh
    losses: Losses = field(default_factory=Losses)

    @property
    def kind(self) -> AssetKind:
        """Whether it is a splat or a mesh."""
        return "splat" if isinstance(self.asset, Gaussians) else "mesh"


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
    if OBJ_VERTEX.search(data) and b"\0" not in data[:TEXT_PROBE]:
        return "mesh", "obj"
    raise ConvertError("neither a splat (PLY, SPZ, SOG, GLB) nor a mesh (GLB, OBJ, PLY)")


def load_asset(data: bytes) -> LoadedAsset:
    """Read a splat or a mesh, whose format its bytes show; raises ConvertError, AssetTooLarge among them."""
    kind, source = detect(data)
    losses = Losses()
    codec = SPLAT_CODECS[source] if kind == "splat" else MESH_CODECS[source]
    try:
        return LoadedAsset(source=source, asset=codec.read(data, losses), losses=losses)
    except MeshTooLarge as error:
        raise AssetTooLarge(f"{source}: {error}") from error
    except FORMAT_ERRORS as error:
        raise ConvertError(f"{source}: {error}") from error


def check_targets(kind: AssetKind, targets: Iterable[str]) -> None:
    """Raise FormatMismatch for a format of the other kind, ImportError for one whose library is missing."""
    if kind == "splat":
        check_installed(SPLAT_WRITERS[_check_name(target, kind, SPLAT_WRITERS)] for target in targets)
    else:
        check_installed(MESH_WRITERS[_check_name(target, kind, MESH_WRITERS)] for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedAsset:
    """The file of an asset in one format.

    `side_files` are those that it names, by name, with their media types; `losses` counts what the source
    has and these files have not.
    """

    data: bytes
    losses: Losses
    side_files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def write_asset(loaded: LoadedAsset, target: str, *, y_down: bool = False) -> ConvertedAsset:
    """An asset in the format `target`; `y_down` is for splats, see `convert_splat`.

    Raises FormatMismatch for a target of the other kind, ConvertError for an asset that does not fit the
    format.
    """
    asset = loaded.asset
    losses = Losses(loaded.losses)
    try:
        if isinstance(asset, Gaussians):
            data = _write_splat(asset, loaded.source, target, y_down)
            if asset.harmonics is not None and not _find_splat_writer(target).holds_harmonics:
                losses["harmonics"] += len(asset)
            return ConvertedAsset(data=data, losses=losses)
        writer = MESH_WRITERS[_check_name(target, "mesh", MESH_WRITERS)]
        _count_dropped(asset, writer, losses)
        side_files = writer.list_side_files(asset) if writer.list_side_files else {}
        return ConvertedAsset(data=writer.write(asset), losses=losses, side_files=side_files)
    except FORMAT_ERRORS as error:
        raise ConvertError(f"{loaded.source} to {target}: {error}") from error


def _count_dropped(mesh: Mesh, writer: AssetWriter[Mesh], losses: Losses) -> None:
    """Add the textures and colours of a mesh that a format has no place for."""
    if mesh.texturing is not None and not writer.holds_textures:
        losses["textures"] += len(mesh.texturing.materials)
    if mesh.colors is None:
        return
    if not writer.holds_colors:
        losses["colors"] += len(mesh.colors)
    elif mesh.texturing is not None and writer.holds_textures and not writer.blends_colors:
        textured = np.unique(mesh.faces[mesh.texturing.face_materials >= 0])
        losses["colors"] += int((mesh.colors[textured] != 255).any(axis=1).sum())


def convert_asset(data: bytes, target: str, *, y_down: bool = False) -> bytes:
    """A splat or a mesh in another format of its kind; raises what `load_asset` and `write_asset` raise."""
    return write_asset(load_asset(data), target, y_down=y_down).data


def convert_splat(data: bytes, source: str | None, target: str, *, y_down: bool = False) -> bytes:
    """A splat file in another format; `source` None detects it from the bytes.

    All formats hold the canonical frame (x right, y up, z back), so values are kept. With `y_down`, PLY and
    SOG hold 3DGS's axes instead (x right, y down, z forward), and the splat is rotated by 180 degrees about x
    whenever it enters or leaves one of them. Raises ConvertError for files that cannot be read or written,
    FormatMismatch for formats that are not of splats.
    """
    source = _check_format(data, source, "splat")
    try:
        return _write_splat(SPLAT_CODECS[source].read(data), source, target, y_down)
    except FORMAT_ERRORS as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def convert_mesh(data: bytes, source: str | None, target: str) -> bytes:
    """A mesh file in another format, in its own frame and units; `source` None detects it from the bytes.

    Raises ConvertError for files that cannot be read, FormatMismatch for formats that are not of meshes.
    """
    source = _check_format(data, source, "mesh")
    try:
        writer = MESH_WRITERS[_check_name(target, "mesh", MESH_WRITERS)]
        return writer.write(MESH_CODECS[source].read(data))
    except FORMAT_ERRORS as error:
        raise ConvertError(f"{source} to {target}: {error}") from error


def _write_splat(splat: Gaussians, source: AssetFormat, target: str, y_down: bool) -> bytes:
    writer = _find_splat_writer(target)
    if y_down and SPLAT_CODECS[source].y_down_when_trained != writer.y_down_when_trained:
        splat = transform(splat, HALF_TURN_ABOUT_X)
    return writer.write(splat)


def _find_splat_writer(target: str) -> AssetWriter[Gaussians]:
    return SPLAT_WRITERS[_check_name(target, "splat", SPLAT_WRITERS)]


def _check_format(data: bytes, source: str | None, kind: AssetKind) -> AssetFormat:
    """The format of the data, which must be of that kind; a given `source` is trusted."""
    if source is not None:
        return _check_name(source, kind, SPLAT_CODECS if kind == "splat" else MESH_CODECS)
    detected, name = detect(data)
    if detected != kind:
        raise FormatMismatch(f"a {detected} in {name} is not a {kind}")
    return name


def _check_name(name: str, kind: AssetKind, known: Iterable[AssetFormat]) -> AssetFormat:
    for candidate in known:
        if candidate == name:
            return candidate
    raise FormatMismatch(f"a {kind} becomes one of {', '.join(known)}, not {name!r}")
