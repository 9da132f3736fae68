"""The base colour of glTF materials: factors and textures; other maps are counted as left out."""

import io
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.formats.glb_accessors import GlbError, Json, decode_data_uri
from workers.formats.glb_reader import Glb
from workers.formats.losses import Losses
from workers.geometry.meshes import TextureMaterial, Wrap

WRAPS: dict[int, Wrap] = {33071: "clamp", 33648: "mirror", 10497: "repeat"}
WHITE = (1.0, 1.0, 1.0, 1.0)
# A WebP image is decoded, because only glTF's extension may hold one. Chosen, not measured.
MAX_WEBP_PIXELS = 64 << 20
# The workflow before metallic and roughness: its diffuse colour is a base colour.
GLOSSY = "KHR_materials_pbrSpecularGlossiness"


@dataclass(frozen=True, slots=True)
class BaseColor:
    """The base colour of a material: a linear RGB factor, and a texture with its coordinates.

    `coordinates` names the attribute, `transform` (2, 3) maps it to the coordinates of the image.
    """

    factor: tuple[float, float, float] = (1.0, 1.0, 1.0)
    material: TextureMaterial | None = None
    coordinates: str = "TEXCOORD_0"
    transform: NDArray[np.float64] | None = None


class MaterialReader:
    """Reads each material of a GLB once; what cannot be kept is counted in `losses`."""

    def __init__(self, glb: Glb, losses: Losses) -> None:
        self._glb, self._losses = glb, losses
        self._read: dict[int, BaseColor] = {}

    def read(self, index: int | None) -> BaseColor:
        """The base colour of material `index`; white without a material."""
        if index is None:
            return BaseColor()
        if index not in self._read:
            self._read[index] = self._parse(self._glb.item("materials", index))
        return self._read[index]

    def _parse(self, material: Json) -> BaseColor:
        surface = material.get("pbrMetallicRoughness", {})
        factor, texture = surface.get("baseColorFactor"), surface.get("baseColorTexture")
        glossy = material.get("extensions", {}).get(GLOSSY, {})
        if texture is None and factor is None:
            factor, texture = glossy.get("diffuseFactor"), glossy.get("diffuseTexture")
        r, g, b, a = (float(value) for value in factor or WHITE)
        self._losses["textures"] += _count_textures(material)
        self._losses["materials"] += any(material.get("emissiveFactor", ()))
        alpha_mode = material.get("alphaMode", "OPAQUE")
        image = None if texture is None else self._read_image(texture)
        if texture is None or image is None:
            self._losses["transparency"] += alpha_mode != "OPAQUE"
            return BaseColor((r, g, b))
        self._losses["textures"] -= 1
        # without its map, the factor of a map says nothing
        has_map = "metallicRoughnessTexture" in surface or bool(glossy)
        transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
        data, media_type, wrap = image
        return BaseColor(
            factor=(r, g, b),
            material=TextureMaterial(
                image=data,
                media_type=media_type,
                factor=(r, g, b, a),
                wrap=wrap,
                alpha_mode=alpha_mode if alpha_mode in ("MASK", "BLEND") else "OPAQUE",
                double_sided=bool(material.get("doubleSided", False)),
                metallic=0.0 if has_map else float(surface.get("metallicFactor", 1.0)),
                roughness=1.0 if has_map else float(surface.get("roughnessFactor", 1.0)),
            ),
            coordinates=f"TEXCOORD_{int(transform.get('texCoord', texture.get('texCoord', 0)))}",
            transform=_parse_transform(transform) if transform else None,
        )

    def _read_image(
        self, reference: Json
    ) -> tuple[bytes, Literal["image/png", "image/jpeg"], tuple[Wrap, Wrap]] | None:
        """The file of a texture, its type and its wrapping; None when it is not in the GLB."""
        texture = self._glb.item("textures", reference.get("index"))
        source = texture.get("source")
        if source is None:
            source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source")
        if source is None:
            return None
        image = self._glb.item("images", source)
        if "bufferView" in image:
            data: bytes | None = self._glb.view_bytes(image["bufferView"])
        else:
            data = decode_data_uri(str(image.get("uri", "")))
        encoded = None if data is None else _identify(data)
        if encoded is None:
            return None
        sampler = self._glb.item("samplers", texture["sampler"]) if "sampler" in texture else {}
        wrap = cast(
            tuple[Wrap, Wrap],
            tuple(WRAPS.get(sampler.get(key, 10497), "repeat") for key in ("wrapS", "wrapT")),
        )
        return *encoded, wrap


def _count_textures(material: Json) -> int:
    """How many maps a material names, at whatever depth: extensions have maps of their own."""
    count = 0
    for key, value in material.items():
        if isinstance(value, dict):
            count += 1 if key.endswith("Texture") else _count_textures(value)
    return count


def _identify(data: bytes) -> tuple[bytes, Literal["image/png", "image/jpeg"]] | None:
    """The bytes of a PNG or JPEG as they are, a WebP image as PNG; None for other files."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data, "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return data, "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        try:
            with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
                if image.width * image.height > MAX_WEBP_PIXELS:
                    return None
                out = io.BytesIO()
                image.save(out, "PNG")
        except (OSError, ValueError) as error:
            raise GlbError(f"an image cannot be decoded: {error}") from error
        return out.getvalue(), "image/png"
    return None


def _parse_transform(transform: Json) -> NDArray[np.float64]:
    """The matrix (2, 3) of KHR_texture_transform: scale, then rotation, then offset."""
    angle = float(transform.get("rotation", 0.0))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    scale = np.asarray(transform.get("scale", (1.0, 1.0)), dtype=np.float64)
    offset = np.asarray(transform.get("offset", (0.0, 0.0)), dtype=np.float64)
    return np.column_stack([turn * scale, offset])
