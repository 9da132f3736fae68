"""Splats in GLB with KHR_gaussian_splatting, which viewers without it draw as coloured points.

The extension (github.com/KhronosGroup/glTF, Release Candidate of July 2026): a POINTS primitive with unit
quaternions xyzw, linear standard deviations, opacity in [0, 1] and spherical harmonics. Earlier drafts had
the scales as logarithms. glTF is right-handed and y up, as our canonical frame, so numbers go in as they
are, in float32: nothing is lost but spherical harmonics beyond degree 0, which our splats do not have.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.formats.glb_container import pack_glb
from workers.formats.glb_reader import FLOAT, USHORT, Glb, GlbError, Json, read_glb
from workers.formats.limits import MAX_GAUSSIANS
from workers.formats.ply import SH_C0
from workers.geometry.gaussians import Gaussians, concatenate, sanitize, transform
from workers.geometry.poses import Similarity

EXTENSION = "KHR_gaussian_splatting"
PREFIX = f"{EXTENSION}:"
SRGB, LINEAR = "srgb_rec709_display", "lin_rec709_display"
POINTS = 0
ARRAY_BUFFER = 34962


def write_splat_glb(splat: Gaussians, name: str = "splat", extras: Mapping[str, Any] | None = None) -> bytes:
    """A GLB of one node and a sanitised copy of `splat`; `extras` goes on the node.

    COLOR_0 holds linear colours and opacity for viewers without the extension, so it is used, not required.
    Raises GlbError for a splat without Gaussians.
    """
    clean = sanitize(splat)
    if not len(clean):
        raise GlbError("a splat GLB holds at least one Gaussian")
    rgba = np.column_stack([srgb_to_linear(clean.colors.astype(np.float64)), clean.opacities])
    arrays: dict[str, NDArray[Any]] = {
        "POSITION": clean.means,
        "COLOR_0": np.rint(rgba * 65535).astype(np.uint16),
        f"{PREFIX}ROTATION": clean.rotations[:, [1, 2, 3, 0]],
        f"{PREFIX}SCALE": clean.scales,
        f"{PREFIX}OPACITY": clean.opacities,
        f"{PREFIX}SH_DEGREE_0_COEF_0": ((clean.colors.astype(np.float64) - 0.5) / SH_C0).astype(np.float32),
    }
    binary, views, accessors = b"", [], []
    for index, values in enumerate(arrays.values()):
        data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
        views.append(
            {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data), "target": ARRAY_BUFFER}
        )
        accessors.append(_accessor(index, values))
        binary += data
    accessors[0] |= {"min": clean.means.min(axis=0).tolist(), "max": clean.means.max(axis=0).tolist()}
    primitive = {
        "attributes": {semantic: index for index, semantic in enumerate(arrays)},
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


def read_splat_glb(data: bytes) -> Gaussians:
    """All splats of a GLB in its scene's frame, sanitised; at most `MAX_GAUSSIANS` together.

    Nodes may move, turn and scale them evenly. Raises GlbError for broken files, for other kernels and
    colour spaces, and where there is no splat.
    """
    glb = read_glb(data)
    try:
        return sanitize(concatenate(_all(glb)))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, GlbError):
            raise
        raise GlbError(f"the glTF document is malformed: {error!r}") from error


def has_splats(glb: Glb) -> bool:
    """Whether the document says that it uses the extension."""
    used = glb.document.get("extensionsUsed")
    return isinstance(used, list) and EXTENSION in used


def _all(glb: Glb) -> list[Gaussians]:
    out: list[Gaussians] = []
    total = 0
    matrices = glb.world_matrices()
    for node, matrix in zip(glb.document.get("nodes", []), matrices, strict=True):
        if "mesh" not in node:
            continue
        for primitive in glb.document["meshes"][node["mesh"]]["primitives"]:
            if EXTENSION not in primitive.get("extensions", {}):
                continue
            total += int(glb.document["accessors"][primitive["attributes"]["POSITION"]]["count"])
            if total > MAX_GAUSSIANS:
                raise GlbError(f"over {MAX_GAUSSIANS} Gaussians, which is the most that are read")
            out.append(transform(_one(glb, primitive), _similarity(matrix)))
    if not out:
        raise GlbError(f"no node shows a primitive with {EXTENSION}")
    return out


def _one(glb: Glb, primitive: Json) -> Gaussians:
    told = primitive["extensions"][EXTENSION]
    space = told["colorSpace"]
    if told["kernel"] != "ellipse" or space not in (SRGB, LINEAR) or primitive.get("mode", 4) != POINTS:
        raise GlbError("only POINTS with the kernel 'ellipse' and a BT.709 colour space are read")
    got = {
        semantic: _plain(glb, primitive["attributes"][semantic], width)
        for semantic, width in (
            ("POSITION", 3),
            (f"{PREFIX}ROTATION", 4),
            (f"{PREFIX}SCALE", 3),
            (f"{PREFIX}OPACITY", 1),
            (f"{PREFIX}SH_DEGREE_0_COEF_0", 3),
        )
    }
    means, xyzw, scales, opacities, dc = got.values()
    if len({len(values) for values in got.values()}) != 1:
        raise GlbError("the attributes of a splat differ in length")
    colors = 0.5 + SH_C0 * dc
    if space == LINEAR:
        colors = linear_to_srgb(colors) / 255.0
    return Gaussians(
        means=means.astype(np.float32),
        rotations=xyzw[:, [3, 0, 1, 2]].astype(np.float32),
        scales=scales.astype(np.float32),
        opacities=opacities[:, 0].astype(np.float32),
        colors=colors.astype(np.float32),
    )


def _plain(glb: Glb, index: int, width: int) -> NDArray[np.float64]:
    raw = glb.accessor(index)
    values = raw.reshape(len(raw), -1).astype(np.float64)
    if values.shape[1] != width:
        raise GlbError(f"accessor {index} has {values.shape[1]} components, not {width}")
    if raw.dtype.kind in "iu" and glb.document["accessors"][index].get("normalized"):
        values = np.maximum(values / np.iinfo(raw.dtype).max, -1.0)
    return values


def _similarity(matrix: NDArray[np.float64]) -> Similarity:
    linear = matrix[:3, :3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    spread = linear @ linear.T / scale**2 if scale > 0 else np.zeros((3, 3))
    if not np.allclose(spread, np.eye(3), rtol=0, atol=1e-5):
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
