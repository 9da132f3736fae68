"""USDZ (OpenUSD, extra `usd`): one textured mesh with a preview surface, as AR viewers expect it."""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.images import encode_png


class UsdMissing(ImportError):
    """usd-core is not installed."""

    def __init__(self) -> None:
        super().__init__("USDZ needs usd-core: pip install 'maquette-server[usd]'")


def check_usd() -> None:
    """Raise UsdMissing when OpenUSD is not installed."""
    if importlib.util.find_spec("pxr") is None:
        raise UsdMissing


def write_usdz(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    normals: NDArray[np.float64],
    uvs: NDArray[np.float64],
    texture: NDArray[np.uint8],
    *,
    metres_per_unit: float = 1.0,
) -> bytes:
    """A package of `vertices` (V, 3) y up, `faces` (F, 3), unit `normals` (V, 3), `texture` (S, S, 3) sRGB.

    `uvs` (V, 2) have their origin at the top left, as in glTF; USD's is at the bottom left.
    Raises UsdMissing.
    """
    check_usd()
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdUtils, Vt

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "texture.png").write_bytes(encode_png(texture))
        stage = Usd.Stage.CreateNew(str(folder / "object.usdc"))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, metres_per_unit)
        root = UsdGeom.Xform.Define(stage, "/object")
        stage.SetDefaultPrim(root.GetPrim())
        mesh = UsdGeom.Mesh.Define(stage, "/object/mesh")
        mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(vertices, np.float32)))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
        mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
        mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(normals, np.float32)))
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        mesh.CreateExtentAttr([Gf.Vec3f(*map(float, low)), Gf.Vec3f(*map(float, high))])
        st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
            "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
        )
        st.Set(Vt.Vec2fArray.FromNumpy(np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]).astype(np.float32)))
        UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(_material(stage, Sdf, UsdShade))
        stage.Save()
        out = folder / "object.usdz"
        if not UsdUtils.CreateNewUsdzPackage(str(folder / "object.usdc"), str(out)):
            raise RuntimeError("OpenUSD could not write the package")
        return out.read_bytes()


def _material(stage: Any, sdf: Any, shade: Any) -> Any:
    """A rough UsdPreviewSurface whose diffuse colour is the texture."""
    types = sdf.ValueTypeNames
    material = shade.Material.Define(stage, "/object/material")
    surface = shade.Shader.Define(stage, "/object/material/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", types.Float).Set(1.0)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    reader = shade.Shader.Define(stage, "/object/material/st")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", types.String).Set("st")
    texture = shade.Shader.Define(stage, "/object/material/texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", types.Asset).Set("./texture.png")
    texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
    for side in ("wrapS", "wrapT"):
        texture.CreateInput(side, types.Token).Set("clamp")
    texture.CreateInput("st", types.Float2).ConnectToSource(reader.CreateOutput("result", types.Float2))
    surface.CreateInput("diffuseColor", types.Color3f).ConnectToSource(
        texture.CreateOutput("rgb", types.Float3)
    )
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material
