"""Writing GLB 2.0: meshes, colours, textures, node trees, skins, animations; the same bytes every time.

glTF is right-handed, y up, in metres; quaternions are xyzw and matrices column-major in the file, while this
module takes wxyz and row-indexed matrices. `glb_reader` reads files back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.formats.glb_accessors import DTYPES, FLOAT, UBYTE, UINT, USHORT, Json
from workers.formats.glb_attributes import (
    align_quaternions,
    encode_colors,
    encode_skin,
    normalise,
    to_float_rows,
    to_numbers,
)
from workers.formats.glb_container import pack_glb
from workers.geometry.meshes import TextureMaterial

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
# The largest 16-bit index is reserved for primitive restart.
RESTART_INDEX_16 = 65535
WRAP_CODES = {"clamp": 33071, "mirror": 33648, "repeat": 10497}
WHITE = (1.0, 1.0, 1.0, 1.0)


class GlbBuilder:
    """Collects meshes, skins, nodes and animations for one GLB; every `add_*` returns the glTF index."""

    def __init__(self) -> None:
        self._binary = bytearray()
        self._lists: dict[str, list[Json]] = {}
        self._images: dict[bytes, int] = {}

    def add_mesh(
        self,
        name: str,
        vertices: ArrayLike,
        faces: ArrayLike,
        *,
        normals: ArrayLike | None = None,
        colors: ArrayLike | None = None,
        uvs: ArrayLike | None = None,
        texture: TextureMaterial | None = None,
        joints: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        metallic: float = 0.0,
        roughness: float = 1.0,
        double_sided: bool = False,
    ) -> int:
        """Add one mesh of one primitive.

        `vertices` (V, 3) metres, y up; `faces` (F, 3) counter-clockwise from outside; `normals` (V, 3), which
        are normalised; `colors` (V, 3) sRGB uint8, stored linear as COLOR_0; `uvs` (V, 2) with the origin at
        the top left of the image of `texture`; `joints` (V, 4) indices into the skin's joints with `weights`
        (V, 4), which are merged where a joint repeats, and normalised.
        Raises ValueError for shapes or values that a valid file cannot hold.
        """
        xyz = to_float_rows(vertices, 3, "vertices")
        indices = _check_faces(faces, len(xyz))
        if texture is not None and uvs is None:
            raise ValueError("a texture needs uvs")
        if (joints is None) != (weights is None):
            raise ValueError("joints and weights go together")
        attributes = {"POSITION": self._accessor(xyz, "VEC3", FLOAT, ARRAY_BUFFER, bounds=True)}
        if normals is not None:
            unit = normalise(to_float_rows(normals, 3, "normals", len(xyz)))
            attributes["NORMAL"] = self._accessor(unit, "VEC3", FLOAT, ARRAY_BUFFER)
        if uvs is not None:
            uv = to_float_rows(uvs, 2, "uvs", len(xyz))
            attributes["TEXCOORD_0"] = self._accessor(uv, "VEC2", FLOAT, ARRAY_BUFFER)
        if colors is not None:
            rgba = encode_colors(np.asarray(colors), len(xyz))
            attributes["COLOR_0"] = self._accessor(rgba, "VEC4", USHORT, ARRAY_BUFFER, normalized=True)
        if joints is not None and weights is not None:
            attributes |= self._skin_attributes(joints, weights, len(xyz))
        primitive: Json = {
            "attributes": attributes,
            "indices": self._indices(indices, len(xyz)),
            "material": self._material(name, texture, metallic, roughness, double_sided),
            "mode": 4,
        }
        return self._append("meshes", {"name": name, "primitives": [primitive]})

    def add_node(
        self,
        name: str,
        *,
        mesh: int | None = None,
        skin: int | None = None,
        parent: int | None = None,
        translation: ArrayLike | None = None,
        rotation_wxyz: ArrayLike | None = None,
        scale: float | ArrayLike | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a node under `parent` (or at the root); its transform is scale, rotation, translation.

        The quaternion is normalised. Raises ValueError for an unknown parent or a zero quaternion.
        """
        node: Json = {"name": name}
        if mesh is not None:
            node["mesh"] = mesh
        if skin is not None:
            node["skin"] = skin
        if translation is not None:
            node["translation"] = to_numbers(translation, 3, "translation")
        if rotation_wxyz is not None:
            w, x, y, z = to_numbers(rotation_wxyz, 4, "rotation_wxyz")
            norm = float(np.sqrt(w * w + x * x + y * y + z * z))
            if norm < 1e-12:
                raise ValueError("rotation_wxyz is zero")
            node["rotation"] = [x / norm, y / norm, z / norm, w / norm]
        if scale is not None:
            node["scale"] = to_numbers(np.broadcast_to(np.asarray(scale, dtype=np.float64), 3), 3, "scale")
        if extras:
            node["extras"] = dict(extras)
        nodes = self._lists.setdefault("nodes", [])
        if parent is not None:
            if not 0 <= parent < len(nodes):
                raise ValueError(f"node {parent} does not exist")
            nodes[parent].setdefault("children", []).append(len(nodes))
        return self._append("nodes", node)

    def add_skin(
        self,
        name: str,
        joint_nodes: Sequence[int],
        inverse_bind_matrices: ArrayLike,
        skeleton: int | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a skin: J joint nodes and their inverse bind matrices (J, 4, 4), row-indexed, affine."""
        matrices = np.asarray(inverse_bind_matrices, dtype=np.float32)
        if matrices.shape != (len(joint_nodes), 4, 4) or not np.isfinite(matrices).all():
            raise ValueError(f"inverse bind matrices must be finite ({len(joint_nodes)}, 4, 4)")
        matrices = matrices.copy()
        matrices[:, 3] = (0, 0, 0, 1)
        columns = np.ascontiguousarray(matrices.transpose(0, 2, 1)).reshape(-1, 16)
        skin: Json = {
            "name": name,
            "inverseBindMatrices": self._accessor(columns, "MAT4", FLOAT, None),
            "joints": [int(joint) for joint in joint_nodes],
        }
        if skeleton is not None:
            skin["skeleton"] = skeleton
        if extras:
            skin["extras"] = dict(extras)
        return self._append("skins", skin)

    def add_animation(
        self,
        name: str,
        seconds: ArrayLike,
        rotations_wxyz: Mapping[int, ArrayLike],
        translations: Mapping[int, ArrayLike],
    ) -> int:
        """Add an animation with linear key frames at ascending `seconds` (T,), the first at least 0.

        `rotations_wxyz` (T, 4) and `translations` (T, 3) are by node; signs of quaternions are chosen so that
        viewers interpolate the short way. Raises ValueError for other times or shapes.
        """
        times = np.asarray(seconds, dtype=np.float32)
        if times.ndim != 1 or not len(times) or times[0] < 0 or not (np.diff(times) > 0).all():
            raise ValueError("an animation's times ascend and start at 0 or later")
        keys = self._accessor(times, "SCALAR", FLOAT, None, bounds=True)
        samplers: list[Json] = []
        channels: list[Json] = []
        for path, width, given in (("rotation", 4, rotations_wxyz), ("translation", 3, translations)):
            for node, rows in given.items():
                values = to_float_rows(rows, width, path, len(times))
                if path == "rotation":
                    values = align_quaternions(values)[:, [1, 2, 3, 0]]
                output = self._accessor(values, f"VEC{width}", FLOAT, None)
                channels.append({"sampler": len(samplers), "target": {"node": int(node), "path": path}})
                samplers.append({"input": keys, "output": output, "interpolation": "LINEAR"})
        if not channels:
            raise ValueError("an animation moves at least one node")
        return self._append("animations", {"name": name, "channels": channels, "samplers": samplers})

    def build(self, extras: Mapping[str, Any] | None = None) -> bytes:
        """The GLB of everything added; `extras` goes on the asset. The same calls give the same bytes.

        Raises ValueError without nodes.
        """
        nodes = self._lists.get("nodes", [])
        if not nodes:
            raise ValueError("a GLB needs at least one node")
        asset: Json = {"version": "2.0", "generator": "Maquette"}
        if extras:
            asset["extras"] = dict(extras)
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [index for index in range(len(nodes)) if index not in children]
        document: Json = {"asset": asset, "scene": 0, "scenes": [{"nodes": roots}]}
        document.update(self._lists)
        return pack_glb(document, bytes(self._binary))

    def _skin_attributes(self, joints: ArrayLike, weights: ArrayLike, count: int) -> dict[str, int]:
        index, weight = encode_skin(np.asarray(joints), to_float_rows(weights, 4, "weights", count))
        component = UBYTE if index.dtype == np.uint8 else USHORT
        return {
            "JOINTS_0": self._accessor(index, "VEC4", component, ARRAY_BUFFER),
            "WEIGHTS_0": self._accessor(weight, "VEC4", FLOAT, ARRAY_BUFFER),
        }

    def _indices(self, faces: NDArray[Any], count: int) -> int:
        """The accessor of the corners of faces of `count` vertices, in 16 bits where they suffice."""
        dtype, component = (np.uint32, UINT) if count > RESTART_INDEX_16 else (np.uint16, USHORT)
        flat = faces.reshape(-1).astype(dtype)
        return self._accessor(flat, "SCALAR", component, ELEMENT_ARRAY_BUFFER, bounds=True)

    def _append(self, kind: str, item: Json) -> int:
        items = self._lists.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def _view(self, data: bytes, target: int | None) -> int:
        self._binary.extend(b"\0" * (-len(self._binary) % 4))
        view: Json = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._binary.extend(data)
        return self._append("bufferViews", view)

    def _accessor(
        self,
        array: NDArray[Any],
        shape: str,
        component: int,
        target: int | None,
        *,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        data = np.ascontiguousarray(array, dtype=np.dtype(DTYPES[component]).newbyteorder("<"))
        accessor: Json = {
            "bufferView": self._view(data.tobytes(), target),
            "componentType": component,
            "count": len(data),
            "type": shape,
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            columns = data.reshape(len(data), -1)
            accessor["min"] = columns.min(axis=0).tolist()
            accessor["max"] = columns.max(axis=0).tolist()
        return self._append("accessors", accessor)

    def _material(
        self,
        name: str,
        texture: TextureMaterial | None,
        metallic: float,
        roughness: float,
        double_sided: bool,
    ) -> int:
        surface: Json = {"metallicFactor": float(metallic), "roughnessFactor": float(roughness)}
        material: Json = {"name": name, "pbrMetallicRoughness": surface}
        if texture is not None:
            surface |= {"metallicFactor": texture.metallic, "roughnessFactor": texture.roughness}
            surface["baseColorTexture"] = {"index": self._texture(texture)}
            if texture.factor != WHITE:
                surface["baseColorFactor"] = list(texture.factor)
            if texture.alpha_mode != "OPAQUE":
                material["alphaMode"] = texture.alpha_mode
        if double_sided or (texture is not None and texture.double_sided):
            material["doubleSided"] = True
        return self._append("materials", material)

    def _texture(self, texture: TextureMaterial) -> int:
        image = self._images.get(texture.image)
        if image is None:
            view = {"bufferView": self._view(texture.image, None), "mimeType": texture.media_type}
            image = self._images[texture.image] = self._append("images", view)
        wrap_s, wrap_t = (WRAP_CODES[wrap] for wrap in texture.wrap)
        sampler = {"magFilter": 9729, "minFilter": 9987, "wrapS": wrap_s, "wrapT": wrap_t}
        samplers = self._lists.setdefault("samplers", [])
        index = samplers.index(sampler) if sampler in samplers else self._append("samplers", sampler)
        return self._append("textures", {"sampler": index, "source": image})


def _check_faces(faces: ArrayLike, count: int) -> NDArray[Any]:
    """Integer faces (F, 3) of `count` vertices; raises ValueError for others."""
    indices = np.asarray(faces)
    if indices.ndim != 2 or indices.shape[1] != 3 or not len(indices) or indices.dtype.kind not in "ui":
        raise ValueError(f"faces must be a non-empty integer (F, 3) array, got {indices.shape}")
    if indices.min() < 0 or indices.max() >= count:
        raise ValueError(f"faces index vertices outside 0..{count - 1}")
    return indices
