"""USDZ (OpenUSD, extra `usd`): textured meshes with preview surfaces, as AR viewers expect them."""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from workers.formats.color import srgb_to_linear
from workers.formats.face_texture import fits_texture, paint_faces
from workers.formats.mesh_parts import MeshPart, is_plain, split_by_material
from workers.geometry.meshes import Mesh, TextureMaterial

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}


class UsdMissing(ImportError):
    """usd-core is not installed."""

    def __init__(self) -> None:
        super().__init__("USDZ needs usd-core: pip install 'maquette-server[usd]'")


def check_usd() -> None:
    """Raise UsdMissing when OpenUSD is not installed."""
    if importlib.util.find_spec("pxr") is None:
        raise UsdMissing


def write_mesh_usdz(mesh: Mesh, *, metres_per_unit: float = 1.0) -> bytes:
    """A package of a mesh, y up, with its textures; vertex colours become a texture where there is none.

    AR viewers show no vertex colours. USD's texture coordinates have their origin at the bottom left.
    Raises UsdMissing.
    """
    check_usd()
    from pxr import Usd, UsdGeom, UsdUtils, Work

    # its threads would reserve address space, which is limited where files of users are converted
    Work.SetConcurrencyLimit(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stage = Usd.Stage.CreateNew(str(folder / "object.usdc"))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, metres_per_unit)
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/object").GetPrim())
        for number, part in enumerate(split_by_material(mesh)):
            if part.material is None and not is_plain(part) and fits_texture(part):
                part = paint_faces(part)
            _add_part(stage, folder, f"_{number}" if number else "", part)
        stage.Save()
        out = folder / "object.usdz"
        if not UsdUtils.CreateNewUsdzPackage(str(folder / "object.usdc"), str(out)):
            raise RuntimeError("OpenUSD could not write the package")
        return out.read_bytes()


def _add_part(stage: Any, folder: Path, suffix: str, part: MeshPart) -> None:
    """Add the faces of one material; `suffix` makes the names of its prims and files unique."""
    from pxr import Gf, Sdf, UsdGeom, UsdShade, Vt

    vertices, faces = part.vertices, part.faces
    mesh = UsdGeom.Mesh.Define(stage, f"/object/mesh{suffix}")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(vertices, np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(part.normals, np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    mesh.CreateExtentAttr([Gf.Vec3f(*map(float, low)), Gf.Vec3f(*map(float, high))])
    primvars, types = UsdGeom.PrimvarsAPI(mesh), Sdf.ValueTypeNames
    if part.uvs is not None:
        st = primvars.CreatePrimvar("st", types.TexCoord2fArray, UsdGeom.Tokens.vertex)
        uvs = np.column_stack([part.uvs[:, 0], 1 - part.uvs[:, 1]])
        st.Set(Vt.Vec2fArray.FromNumpy(uvs.astype(np.float32)))
    elif part.colors is not None:
        linear = np.ascontiguousarray(srgb_to_linear(part.colors), np.float32)
        scope = UsdGeom.Tokens.constant if is_plain(part) else UsdGeom.Tokens.vertex
        color = primvars.CreatePrimvar("displayColor", types.Color3fArray, scope)
        color.Set(Vt.Vec3fArray.FromNumpy(linear[:1] if is_plain(part) else linear))
    material = UsdShade.Material.Define(stage, f"/object/material{suffix}")
    surface = UsdShade.Shader.Define(stage, f"{material.GetPath()}/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    bound = part.material
    surface.CreateInput("roughness", types.Float).Set(1.0 if bound is None else bound.roughness)
    surface.CreateInput("metallic", types.Float).Set(0.0 if bound is None else bound.metallic)
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    if bound is not None:
        if bound.double_sided:
            mesh.CreateDoubleSidedAttr(True)
        file = f"texture{suffix}.{SUFFIXES[bound.media_type]}"
        (folder / file).write_bytes(bound.image)
        _connect_texture(stage, surface, file, bound)
    elif part.colors is not None and is_plain(part):
        plain = srgb_to_linear(part.colors[0])
        surface.CreateInput("diffuseColor", types.Color3f).Set(Gf.Vec3f(*map(float, plain)))
    elif part.colors is not None:
        reader = _add_reader(stage, surface, "displayColor", "float3")
        surface.CreateInput("diffuseColor", types.Color3f).ConnectToSource(
            reader.CreateOutput("result", types.Float3)
        )
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _add_reader(stage: Any, surface: Any, primvar: str, kind: str) -> Any:
    """A shader beside the surface that reads a primvar of the mesh."""
    from pxr import Sdf, UsdShade

    reader = UsdShade.Shader.Define(stage, f"{surface.GetPath().GetParentPath()}/{primvar}")
    reader.CreateIdAttr(f"UsdPrimvarReader_{kind}")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    return reader


def _connect_texture(stage: Any, surface: Any, file: str, material: TextureMaterial) -> None:
    """The texture, times its factor, as the diffuse colour of a surface, and as its opacity if it has one."""
    from pxr import Gf, Sdf, UsdShade

    types = Sdf.ValueTypeNames
    reader = _add_reader(stage, surface, "st", "float2")
    texture = UsdShade.Shader.Define(stage, f"{surface.GetPath().GetParentPath()}/texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", types.Asset).Set(f"./{file}")
    texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
    for side, wrap in zip(("wrapS", "wrapT"), material.wrap, strict=True):
        texture.CreateInput(side, types.Token).Set(wrap)
    texture.CreateInput("scale", types.Float4).Set(Gf.Vec4f(*material.factor))
    texture.CreateInput("st", types.Float2).ConnectToSource(reader.CreateOutput("result", types.Float2))
    surface.CreateInput("diffuseColor", types.Color3f).ConnectToSource(
        texture.CreateOutput("rgb", types.Float3)
    )
    if material.alpha_mode != "OPAQUE":
        surface.CreateInput("opacity", types.Float).ConnectToSource(texture.CreateOutput("a", types.Float))
    if material.alpha_mode == "MASK":
        surface.CreateInput("opacityThreshold", types.Float).Set(0.5)
