"""Textures of GLB files through conversions, read back by trimesh and OpenUSD."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.support.gltf_validator import assert_valid
from tests.support.raw_glb import CORNERS, FACES, RawGlb
from workers.formats.convert import ConvertedAsset, load_asset, write_asset

UVS = np.array([[x + 0.5, 0.25 * (y + 0.5) + 0.5 * (z + 0.5)] for x, y, z in CORNERS], np.float32)
RED, GREEN = (250, 20, 30), (10, 240, 40)


def encode(color: tuple[int, int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 4), color).save(out, kind)
    return out.getvalue()


class TexturedGlb:
    """Three cubes: one with a PNG, one with a JPEG, one without a texture."""

    def __init__(self, uv_kind: str = "float32", **texture: Any) -> None:
        self.raw = RawGlb()
        self.files = [encode(RED, "PNG"), encode(GREEN, "JPEG")]
        values = UVS if uv_kind == "float32" else np.rint(UVS * np.iinfo(uv_kind).max).astype(uv_kind)
        uvs = self.raw.add(values, normalized=uv_kind != "float32")
        indices = self.raw.add(FACES.ravel())
        self.meshes: list[dict[str, Any]] = [
            {
                "primitives": [
                    {
                        "attributes": {
                            "POSITION": self.raw.add(CORNERS + np.float32(3 * k)),
                            "TEXCOORD_0": uvs,
                        },
                        "indices": indices,
                        **({"material": k} if k < 2 else {}),
                    }
                ]
            }
            for k in range(3)
        ]
        self.materials: list[dict[str, Any]] = [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": k, **texture}}} for k in range(2)
        ]

    def build(self, **document: Any) -> bytes:
        images = [
            {"bufferView": self.raw.add_view(file), "mimeType": f"image/{kind}"}
            for file, kind in zip(self.files, ("png", "jpeg"), strict=True)
        ]
        content = {
            "materials": self.materials,
            "textures": [{"source": 0}, {"source": 1, "sampler": 0}],
            "images": images,
            "samplers": [{"wrapS": 33071, "wrapT": 33648}],
        }
        return self.raw.build(self.meshes, **(content | document))


def convert(data: bytes, target: str) -> ConvertedAsset:
    return write_asset(load_asset(data), target)


def read_scene(converted: ConvertedAsset, target: str, folder: Path) -> list[trimesh.Trimesh]:
    """The geometries of a written scene, which may name files beside it."""
    for name, (_, data) in converted.side_files.items():
        (folder / name).write_bytes(data)
    (folder / f"it.{target}").write_bytes(converted.data)
    scene = trimesh.load_scene(folder / f"it.{target}", process=False)
    return sorted(scene.geometry.values(), key=lambda mesh: float(mesh.bounds[0, 0]))


def show_colors(mesh: trimesh.Trimesh) -> np.ndarray:
    """The colours that the texture has at the vertices."""
    material = mesh.visual.material
    image = getattr(material, "baseColorTexture", None) or material.image
    return trimesh.visual.color.uv_to_color(mesh.visual.uv, image)[:, :3]


@pytest.mark.parametrize("target", ["glb", "obj"])
@pytest.mark.parametrize("uv_kind", ["float32", "uint16", "uint8"])
def test_textures_and_coordinates_go_with_the_mesh(target: str, uv_kind: str, tmp_path: Path) -> None:
    converted = convert(TexturedGlb(uv_kind).build(), target)
    assert not +converted.losses
    first, second, third = read_scene(converted, target, tmp_path)
    np.testing.assert_allclose(show_colors(first), np.tile(RED, (len(first.vertices), 1)))
    np.testing.assert_allclose(show_colors(second), np.tile(GREEN, (len(second.vertices), 1)), atol=3)
    assert getattr(getattr(third.visual, "material", None), "image", None) is None
    assert sum(len(mesh.faces) for mesh in (first, second, third)) == 36
    # trimesh's own coordinates have their origin at the bottom left
    order = [int(np.argmin(np.linalg.norm(first.vertices - corner, axis=1))) for corner in CORNERS]
    np.testing.assert_allclose(
        np.asarray(first.visual.uv)[order], np.column_stack([UVS[:, 0], 1 - UVS[:, 1]]), atol=0.003
    )


def test_files_of_images_are_passed_on_unchanged() -> None:
    source = TexturedGlb()
    data = source.build()
    for target in ("glb", "obj"):
        converted = convert(data, target)
        everything = converted.data + b"".join(file for _, file in converted.side_files.values())
        assert all(file in everything for file in source.files)
    again = load_asset(convert(data, "glb").data).asset
    wraps = [material.wrap for material in again.texturing.materials]
    assert wraps == [("repeat", "repeat"), ("clamp", "mirror")]


def test_the_validator_reports_nothing() -> None:
    source = TexturedGlb()
    source.materials[0]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1, 1, 0.25]
    source.materials[0] |= {"alphaMode": "BLEND", "doubleSided": True}
    assert_valid(convert(source.build(), "glb").data, warnings=0)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ply", "stl"])
def test_a_format_without_textures_is_flagged(target: str) -> None:
    converted = convert(TexturedGlb().build(), target)
    assert +converted.losses == {"textures": 2}
    assert len(trimesh.load(io.BytesIO(converted.data), file_type=target).faces) == 36


def test_other_maps_and_images_elsewhere_are_counted() -> None:
    source = TexturedGlb()
    source.materials[0] |= {"normalTexture": {"index": 1}, "emissiveTexture": {"index": 1}}
    assert +convert(source.build(), "glb").losses == {"textures": 2}
    elsewhere = [{"uri": "wood.png"}, {"uri": "data:image/ktx2;base64,AAAA"}]
    assert +convert(TexturedGlb().build(images=elsewhere), "glb").losses == {"textures": 2}


def test_maps_of_extensions_are_counted() -> None:
    source = TexturedGlb()
    source.materials[0]["extensions"] = {"KHR_materials_clearcoat": {"clearcoatTexture": {"index": 1}}}
    assert +convert(source.build(), "glb").losses == {"textures": 1}


def test_the_diffuse_colour_of_glossy_materials_is_kept(tmp_path: Path) -> None:
    source = TexturedGlb()
    diffuse = source.materials[0].pop("pbrMetallicRoughness")["baseColorTexture"]
    glossy = {"diffuseTexture": diffuse, "specularGlossinessTexture": {"index": 1}}
    source.materials[0]["extensions"] = {"KHR_materials_pbrSpecularGlossiness": glossy}
    converted = convert(source.build(), "glb")
    assert +converted.losses == {"textures": 1}
    first = read_scene(converted, "glb", tmp_path)[0]
    np.testing.assert_allclose(show_colors(first), np.tile(RED, (len(first.vertices), 1)))


@pytest.mark.parametrize(("target", "lost"), [("glb", {}), ("obj", {}), ("usdz", {"colors": 8})])
def test_colours_of_textured_vertices_are_kept_or_counted(target: str, lost: dict[str, int]) -> None:
    if target == "usdz":
        pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
    source = TexturedGlb()
    colors = source.raw.add(np.full((8, 3), 30000, np.uint16), normalized=True)
    source.meshes[0]["primitives"][0]["attributes"]["COLOR_0"] = colors
    assert +convert(source.build(), target).losses == lost


def test_metal_and_roughness_stay_with_a_texture(tmp_path: Path) -> None:
    source = TexturedGlb()
    source.materials[0]["pbrMetallicRoughness"] |= {"metallicFactor": 0.75, "roughnessFactor": 0.25}
    material = read_scene(convert(source.build(), "glb"), "glb", tmp_path)[0].visual.material
    assert (material.metallicFactor, material.roughnessFactor) == (0.75, 0.25)


def test_transforms_of_textures_are_applied() -> None:
    transform = {"scale": [2, 3], "offset": [0.25, -0.5], "rotation": np.pi / 2}
    source = TexturedGlb(extensions={"KHR_texture_transform": transform})
    texturing = load_asset(source.build()).asset.texturing
    # with a quarter turn u' = v and v' = -u, by the extension's matrices
    expected = np.column_stack([3 * UVS[:, 1] + 0.25, -2 * UVS[:, 0] - 0.5])
    np.testing.assert_allclose(texturing.uvs[:8], expected, atol=1e-6)


def test_factors_and_transparency_stay_with_a_texture(tmp_path: Path) -> None:
    source = TexturedGlb()
    source.materials[0]["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1, 1, 0.25]
    source.materials[0] |= {"alphaMode": "BLEND", "doubleSided": True}
    first = read_scene(convert(source.build(), "glb"), "glb", tmp_path)[0]
    material = first.visual.material
    np.testing.assert_allclose(np.asarray(material.baseColorFactor) / 255, [0.5, 1, 1, 0.25], atol=0.003)
    assert material.alphaMode == "BLEND" and material.doubleSided


def test_webp_images_become_png() -> None:
    source = TexturedGlb()
    source.files[0] = encode(RED, "WEBP")
    webp = [{"extensions": {"EXT_texture_webp": {"source": 0}}}, {"source": 1}]
    asset = load_asset(source.build(textures=webp)).asset
    pixels = Image.open(io.BytesIO(asset.texturing.materials[0].image))
    assert pixels.format == "PNG" and np.abs(np.subtract(pixels.getpixel((0, 0)), RED)).max() < 6


def test_usdz_has_every_texture(tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd", reason="the extra 'usd' is not installed")
    from pxr import UsdGeom, UsdShade, UsdValidation

    source = TexturedGlb()
    converted = convert(source.build(), "usdz")
    assert not +converted.losses
    (tmp_path / "it.usdz").write_bytes(converted.data)
    with zipfile.ZipFile(tmp_path / "it.usdz") as package:
        stored = [package.read(name) for name in package.namelist()]
    assert all(file in stored for file in source.files)
    stage = usd.Stage.Open(str(tmp_path / "it.usdz"))
    meshes = [UsdGeom.Mesh(prim) for prim in stage.GetDefaultPrim().GetChildren() if prim.IsA(UsdGeom.Mesh)]
    assert [len(mesh.GetFaceVertexCountsAttr().Get()) for mesh in meshes] == [12, 12, 12]
    bound = [UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0] for mesh in meshes]
    diffuse = [material.ComputeSurfaceSource()[0].GetInput("diffuseColor") for material in bound]
    assert [value.HasConnectedSource() if value else False for value in diffuse] == [False, True, True]
    registry = UsdValidation.ValidationRegistry()
    errors = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)
    assert [error.GetMessage() for error in errors] == []


def test_usdz_shows_one_colour_without_a_texture(tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd", reason="the extra 'usd' is not installed")
    from pxr import UsdShade

    obj = b"".join(b"v %d %d 0 0 1 0.5\n" % place for place in ((0, 0), (1, 0), (0, 1))) + b"f 1 2 3\n"
    (tmp_path / "it.usdz").write_bytes(convert(obj, "usdz").data)
    stage = usd.Stage.Open(str(tmp_path / "it.usdz"))
    mesh = stage.GetDefaultPrim().GetChild("mesh")
    material = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0]
    color = material.ComputeSurfaceSource()[0].GetInput("diffuseColor").Get()
    np.testing.assert_allclose(color, [0, 1, 0.2158605], atol=1e-4)


def test_stl_drops_colours_and_counts_them() -> None:
    obj = b"v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 0.5\nf 1 2 3\n"
    converted = convert(obj, "stl")
    assert +converted.losses == {"colors": 3}
    mesh = trimesh.load(io.BytesIO(converted.data), file_type="stl")
    assert mesh.area == pytest.approx(0.5) and mesh.face_normals[0, 2] == pytest.approx(1.0)


def test_normals_of_the_file_are_kept() -> None:
    raw = RawGlb()
    smooth = CORNERS / np.linalg.norm(CORNERS, axis=1, keepdims=True)
    attributes = {"POSITION": raw.add(CORNERS), "NORMAL": raw.add(smooth.astype(np.float32))}
    nodes = [{"mesh": 0, "rotation": [0, 0, 0.5**0.5, 0.5**0.5], "scale": [1, 2, 1]}]
    data = raw.build([{"primitives": [{"attributes": attributes, "indices": raw.add(FACES.ravel())}]}], nodes)
    scene = trimesh.load_scene(io.BytesIO(convert(data, "glb").data), file_type="glb", process=False)
    [mesh] = scene.geometry.values()
    # a quarter turn about z after scaling y: normals scale by the inverse
    expected = np.column_stack([-smooth[:, 1] / 2, smooth[:, 0], smooth[:, 2]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.vertex_normals, expected, atol=1e-6)
