"""Writing OBJ with textures: the text, and beside it a material library and the images that it names."""

import hashlib
import io

import numpy as np

from workers.formats.color import linear_to_srgb
from workers.formats.mesh_parts import MeshPart, split_by_material
from workers.geometry.meshes import Mesh, TextureMaterial

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}


def write_textured_obj(mesh: Mesh) -> bytes:
    """The text of a mesh with textures; it names the library of `list_obj_side_files` by its hash."""
    out = io.BytesIO()
    out.write(f"mtllib {_name_library(mesh)}\n".encode())
    first = 1
    for number, part in enumerate(split_by_material(mesh)):
        _write_part(out, part, number, first)
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


def _write_part(out: io.BytesIO, part: MeshPart, number: int, first: int) -> None:
    rows = part.vertices if part.colors is None else np.column_stack([part.vertices, part.colors / 255.0])
    np.savetxt(out, rows, fmt="v" + " %.8f" * rows.shape[1])
    if part.uvs is not None:
        # the origin of OBJ's coordinates is at the bottom left
        np.savetxt(out, np.column_stack([part.uvs[:, 0], 1 - part.uvs[:, 1]]), fmt="vt %.8f %.8f")
    else:
        np.savetxt(out, np.zeros((len(rows), 2)), fmt="vt %.0f %.0f")
    np.savetxt(out, part.normals, fmt="vn %.6f %.6f %.6f")
    out.write(f"usemtl {_name_material(number)}\n".encode())
    np.savetxt(out, np.repeat(part.faces + first, 3, axis=1), fmt="f %d/%d/%d %d/%d/%d %d/%d/%d")


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
