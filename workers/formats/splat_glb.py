"""Splats in GLB with KHR_gaussian_splatting; viewers without it show coloured points.

The extension (github.com/KhronosGroup/glTF, Release Candidate of July 2026): a POINTS primitive with unit
quaternions xyzw, linear standard deviations, opacity in [0, 1] and spherical harmonics. Earlier drafts stored
the logarithms of scales. glTF is right-handed and y up like our canonical frame, so float32 values are stored
as they are: nothing is lost.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import color_to_sh, linear_to_srgb, sh_to_color, srgb_to_linear
from workers.formats.glb_accessors import FLOAT, MALFORMED, USHORT, GlbError, Json
from workers.formats.glb_container import pack_glb
from workers.formats.glb_reader import Glb, read_glb
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.losses import Losses, sanitize_read
from workers.geometry.gaussians import Gaussians, concatenate, sanitize, transform
from workers.geometry.poses import Similarity
from workers.geometry.spherical_harmonics import MAX_DEGREE

EXTENSION = "KHR_gaussian_splatting"
PREFIX = f"{EXTENSION}:"
SRGB, LINEAR = "srgb_rec709_display", "lin_rec709_display"
POINTS = 0
ARRAY_BUFFER = 34962
# How far a node's matrix may be from an even scale and a rotation, as a share of the scale squared.
EVEN_TOLERANCE = 1e-5


def write_splat_glb(splat: Gaussians, name: str = "splat", extras: Mapping[str, Any] | None = None) -> bytes:
    """A GLB of one node with a sanitised copy of `splat`; `extras` goes on the node.

    COLOR_0 holds linear colours and opacity for viewers without the extension, so the extension is declared
    as used, not as required. Raises GlbError for a splat without Gaussians.
    """
    clean = sanitize(splat)
    if not len(clean):
        raise GlbError("a splat GLB holds at least one Gaussian")
    attributes = _encode_attributes(clean)
    binary, views, accessors = b"", [], []
    for index, values in enumerate(attributes.values()):
        data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
        views.append(
            {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data), "target": ARRAY_BUFFER}
        )
        accessors.append(_accessor(index, values))
        binary += data
    accessors[0] |= {"min": clean.means.min(axis=0).tolist(), "max": clean.means.max(axis=0).tolist()}
    primitive = {
        "attributes": {semantic: index for index, semantic in enumerate(attributes)},
        "mode": POINTS,
        "extensions": {
            EXTENSION: {
                "kernel": "ellipse",
                "colorSpace": SRGB,
                "projection": "perspective",
                "sortingMethod": "cameraDistance",
            }
        },
    }
    node: Json = {"name": name, "mesh": 0}
    if extras:
        node["extras"] = dict(extras)
    document = {
        "asset": {"version": "2.0", "generator": "Maquette"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "bufferViews": views,
        "accessors": accessors,
    }
    return pack_glb(document, binary)


def read_splat_glb(data: bytes, losses: Losses | None = None) -> Gaussians:
    """All splats of a GLB in its scene's frame, sanitised; at most `MAX_GAUSSIANS` together.

    Nodes may move, rotate and evenly scale them. Other primitives, nodes outside the scene, and spherical
    harmonics that are incomplete or of linear colours are left out and counted. Raises GlbError for broken
    files, for other kernels and colour spaces, and where there is no splat.
    """
    glb = read_glb(data)
    try:
        return sanitize_read(concatenate(_read_nodes(glb, Losses() if losses is None else losses)), losses)
    except MALFORMED as error:
        if isinstance(error, GlbError):
            raise
        raise GlbError(f"the glTF document is malformed: {error!r}") from error


def has_splats(glb: Glb) -> bool:
    """Whether the document declares that it uses the extension."""
    used = glb.document.get("extensionsUsed")
    return isinstance(used, list) and EXTENSION in used


def _encode_attributes(splat: Gaussians) -> dict[str, NDArray[Any]]:
    """The arrays of the primitive by glTF semantic."""
    rgba = np.column_stack([srgb_to_linear(np.clip(splat.colors.astype(np.float64), 0, 1)), splat.opacities])
    attributes: dict[str, NDArray[Any]] = {
        "POSITION": splat.means,
        "COLOR_0": np.rint(rgba * 65535).astype(np.uint16),
        f"{PREFIX}ROTATION": splat.rotations[:, [1, 2, 3, 0]],
        f"{PREFIX}SCALE": splat.scales,
        f"{PREFIX}OPACITY": splat.opacities,
        f"{PREFIX}SH_DEGREE_0_COEF_0": color_to_sh(splat.colors).astype(np.float32),
    }
    if splat.harmonics is not None:
        names = _name_harmonics(splat.degree)
        attributes |= {name: splat.harmonics[:, index] for index, name in enumerate(names)}
    return attributes


def _name_harmonics(degree: int) -> list[str]:
    """The semantics of the coefficients beyond degree 0, in their order."""
    return [
        f"{PREFIX}SH_DEGREE_{level}_COEF_{index}"
        for level in range(1, degree + 1)
        for index in range(2 * level + 1)
    ]


def _read_nodes(glb: Glb, losses: Losses) -> list[Gaussians]:
    splats: list[Gaussians] = []
    total = 0
    matrices = glb.world_matrices()
    nodes, shown = glb.document.get("nodes", []), glb.scene_nodes()
    losses["nodes"] += sum("mesh" in nodes[index] for index in set(range(len(nodes))) - set(shown))
    for index in shown:
        if "mesh" not in nodes[index]:
            continue
        for primitive in glb.document["meshes"][nodes[index]["mesh"]]["primitives"]:
            if EXTENSION not in primitive.get("extensions", {}):
                losses["meshes"] += 1
                continue
            count = int(glb.document["accessors"][primitive["attributes"]["POSITION"]]["count"])
            total += count
            if total > MAX_GAUSSIANS:
                raise GlbError(f"over {MAX_GAUSSIANS} Gaussians, the most that are supported")
            splat = _read_primitive(glb, primitive, losses)
            splats.append(transform(splat, _parse_similarity(matrices[index])))
    if not splats:
        raise GlbError(f"no node shows a primitive with {EXTENSION}")
    return splats


def _read_primitive(glb: Glb, primitive: Json, losses: Losses) -> Gaussians:
    extension = primitive["extensions"][EXTENSION]
    space = extension["colorSpace"]
    if extension["kernel"] != "ellipse" or space not in (SRGB, LINEAR) or primitive.get("mode", 4) != POINTS:
        raise GlbError("only POINTS with the kernel 'ellipse' and a BT.709 colour space are supported")
    arrays = {
        semantic: glb.floats(primitive["attributes"][semantic], width).astype(np.float64)
        for semantic, width in (
            ("POSITION", 3),
            (f"{PREFIX}ROTATION", 4),
            (f"{PREFIX}SCALE", 3),
            (f"{PREFIX}OPACITY", 1),
            (f"{PREFIX}SH_DEGREE_0_COEF_0", 3),
        )
    }
    means, xyzw, scales, opacities, coefficients = arrays.values()
    if len({len(values) for values in arrays.values()}) != 1:
        raise GlbError("the attributes of a splat differ in length")
    colors = sh_to_color(coefficients)
    if space == LINEAR:
        colors = linear_to_srgb(colors) / 255.0
    return Gaussians(
        means=means.astype(np.float32),
        rotations=xyzw[:, [3, 0, 1, 2]].astype(np.float32),
        scales=scales.astype(np.float32),
        opacities=opacities[:, 0].astype(np.float32),
        colors=colors.astype(np.float32),
        harmonics=_read_harmonics(glb, primitive["attributes"], len(means), space, losses),
    )


def _read_harmonics(
    glb: Glb, attributes: Mapping[str, int], count: int, space: str, losses: Losses
) -> NDArray[np.float32] | None:
    """The coefficients (N, K, 3) of the highest complete degree; None where there are none.

    Coefficients of linear colours are other ones than those of sRGB, and no finite number of these states
    the same colours.
    """
    stated = {name for name in attributes if name.startswith(f"{PREFIX}SH_DEGREE_")}
    stated.discard(f"{PREFIX}SH_DEGREE_0_COEF_0")
    degree = 0
    while degree < MAX_DEGREE and stated >= set(_name_harmonics(degree + 1)):
        degree += 1
    names = _name_harmonics(degree) if space == SRGB else []
    if stated - set(names):
        losses["harmonics"] += count
    if not names:
        return None
    columns = [glb.floats(attributes[name], 3).astype(np.float32) for name in names]
    if any(len(column) != count for column in columns):
        raise GlbError("the attributes of a splat differ in length")
    return np.stack(columns, axis=1)


def _parse_similarity(matrix: NDArray[np.float64]) -> Similarity:
    """The pose that a node's 4x4 matrix stands for; raises GlbError when it is not a similarity."""
    linear = matrix[:3, :3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    gram = linear @ linear.T / scale**2 if scale > 0 else np.zeros((3, 3))
    if not np.allclose(gram, np.eye(3), rtol=0, atol=EVEN_TOLERANCE):
        raise GlbError("a node shears or mirrors a splat, or scales it unevenly")
    return Similarity.from_parts(linear / scale, matrix[:3, 3], scale)


def _accessor(view: int, values: NDArray[Any]) -> Json:
    width = 1 if values.ndim == 1 else values.shape[1]
    accessor: Json = {
        "bufferView": view,
        "componentType": USHORT if values.dtype == np.uint16 else FLOAT,
        "count": len(values),
        "type": {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[width],
    }
    if values.dtype == np.uint16:
        accessor["normalized"] = True
    return accessor
