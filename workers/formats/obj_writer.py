"""Writing Wavefront OBJ: the text, and beside it a material library and the images that it names."""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb
from workers.formats.mesh_parts import MeshPart, split_by_material
from workers.geometry.meshes import Mesh, TextureMaterial

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}
# Rows that are formatted at once: Python takes 30 bytes for each number.
CHUNK_ROWS = 1 << 14


def write_mesh_obj(mesh: Mesh) -> bytes:
    """The text of a mesh with vertex normals, and colours as `v x y z r g b` where the mesh has them.

    With textures it names the library of `list_obj_side_files`. The same mesh gives the same bytes.
    """
    out = io.BytesIO()
    if mesh.texturing is not None:
        out.write(f"mtllib {_name_library(mesh)}\n".encode())
    first = 1
    for number, part in enumerate(split_by_material(mesh)):
        _write_part(out, part, None if mesh.texturing is None else _name_material(number), first)
        first += len(part.vertices)
    return out.getvalue()


def list_obj_side_files(mesh: Mesh) -> dict[str, tuple[str, bytes]]:
    """The material library and the images of a mesh by name, each with its media type.

    Names end in a hash, so that several meshes can share a folder. A mesh without textures has none.
    """
    if mesh.texturing is None:
        return {}
    files: dict[str, tuple[str, bytes]] = {_name_library(mesh): ("model/mtl", _write_library(mesh))}
    for part in split_by_material(mesh):
        if part.material is not None:
            files[_name_image(part.material)] = (part.material.media_type, part.material.image)
    return files


def _write_part(out: io.BytesIO, part: MeshPart, material: str | None, first: int) -> None:
    """The vertices and faces of one material; `first` is the index of its first vertex."""
    if part.colors is None:
        _write_rows(out, "v %.8f %.8f %.8f\n", part.vertices)
    else:
        rows = np.column_stack([part.vertices, part.colors / 255.0])
        _write_rows(out, "v %.8f %.8f %.8f %.8f %.8f %.8f\n", rows)
    _write_rows(out, "vn %.6f %.6f %.6f\n", part.normals)
    corner = "%d//%d"
    if material is not None:
        # every part of a textured mesh has coordinates, so that they are numbered as its vertices
        uvs = np.zeros((len(part.vertices), 2)) if part.uvs is None else part.uvs
        # the origin of OBJ's coordinates is at the bottom left
        _write_rows(out, "vt %.8f %.8f\n", np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]))
        out.write(f"usemtl {material}\n".encode())
        corner = "%d/%d/%d"
    indices = np.repeat(part.faces + first, corner.count("%"), axis=1)
    _write_rows(out, f"f {corner} {corner} {corner}\n", indices)


def _write_rows(out: io.BytesIO, form: str, rows: NDArray[np.float64] | NDArray[np.int64]) -> None:
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        out.write((form * len(chunk) % tuple(chunk.ravel().tolist())).encode())


def _write_library(mesh: Mesh) -> bytes:
    lines: list[str] = []
    for number, part in enumerate(split_by_material(mesh)):
        lines += [f"newmtl {_name_material(number)}", "Ka 0 0 0", "Ks 0 0 0", "illum 1"]
        material = part.material
        factor = (1.0, 1.0, 1.0, 1.0) if material is None else material.factor
        color = linear_to_srgb(np.array(factor[:3])) / 255.0
        lines.append("Kd " + " ".join(f"{value:.6f}" for value in color))
        if material is not None:
            if material.alpha_mode != "OPAQUE":
                lines.append(f"d {factor[3]:.6f}")
            # no option -clamp: several readers take it for a part of the name
            lines.append(f"map_Kd {_name_image(material)}")
    return ("\n".join(lines) + "\n").encode()


def _name_material(number: int) -> str:
    return f"material_{number}"


def _name_library(mesh: Mesh) -> str:
    return f"mesh-{hashlib.sha256(_write_library(mesh)).hexdigest()[:12]}.mtl"


def _name_image(material: TextureMaterial) -> str:
    digest = hashlib.sha256(material.image).hexdigest()[:12]
    return f"texture-{digest}.{SUFFIXES[material.media_type]}"
