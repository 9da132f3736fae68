"""One ZIP for simulators: URDF and MJCF with their meshes, in metres, z up."""

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from workers.formats.face_texture import paint_vertex_colors
from workers.formats.obj_writer import list_obj_side_files, write_mesh_obj
from workers.formats.simulation.convex_parts import decompose_convex
from workers.formats.simulation.solids import MassProperties, compute_mass, make_lods
from workers.formats.zip_writer import write_zip
from workers.geometry.meshes import Mesh

HYPHENS = r"-\u002d"
# what XML 1.0 cannot hold, even escaped
XML_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Robotics uses z up; a quarter turn about x takes y up to z up. docs/conventions.md states it.
Z_UP: NDArray[np.float64] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def write_simulation_zip(
    mesh: Mesh,
    name: str,
    *,
    scale: float,
    density: float,
    notes: dict[str, object],
    make_visuals: Callable[[], Sequence[Mesh]] | None = None,
) -> bytes:
    """A package of `mesh`, in its canonical frame (y up), as a body with a uniform density in kg/m³.

    `scale` is the length of the mesh's unit in metres; the origin stays that of the mesh. `notes` go into
    `simulation.json` and the comments of the files. `make_visuals` gives the visual meshes in the frame of
    `mesh`, the finest first, and is not called for a mesh without volume, which raises NotSolid; otherwise
    they are levels of detail of `mesh`, with its vertex colours as textures.
    """
    solid = _to_package_frame(mesh, scale)
    mass = compute_mass(solid, density)
    with ThreadPoolExecutor(1) as pool:
        convex = pool.submit(decompose_convex, solid)
        levels = make_lods(mesh) if make_visuals is None else make_visuals()
        visuals = {
            f"visual_lod{level}.obj": _to_package_frame(paint_vertex_colors(lod), scale)
            for level, lod in enumerate(levels)
        }
        parts = {f"collision_{number:02d}.obj": part for number, part in enumerate(convex.result())}
    about = {
        "units": "metres, kilograms, z up",
        "metres_per_unit": scale,
        "rotation_from_object": Z_UP.tolist(),
        "density_kg_m3": density,
        "mass_kg": mass.mass,
        "centre_of_mass": mass.centre.tolist(),
        "inertia_kg_m2": mass.inertia.tolist(),
        "visual": {file: len(lod.faces) for file, lod in visuals.items()},
        "collision": {file: len(part.faces) for file, part in parts.items()},
        **notes,
    }
    # two hyphens would end an XML comment
    comment = f"<!-- {json.dumps(notes).replace('--', HYPHENS)} -->"
    title = XML_FORBIDDEN.sub("_", name)
    side_files = {
        file: data for lod in visuals.values() for file, (_, data) in list_obj_side_files(lod).items()
    }
    texture = next((file for file in side_files if file.endswith((".png", ".jpg"))), None)
    files = {
        "object.urdf": _urdf(title, mass, list(parts), comment),
        "object.xml": _mjcf(title, mass, list(parts), comment, texture),
        "simulation.json": json.dumps(about, indent=1) + "\n",
    }
    meshes = ((file, write_mesh_obj(part)) for file, part in {**visuals, **parts}.items())
    return write_zip([*meshes, *side_files.items(), *files.items()], compressed=True)


def _to_package_frame(mesh: Mesh, scale: float) -> Mesh:
    """The mesh in metres, z up."""
    normals = None if mesh.normals is None else mesh.normals @ Z_UP.T
    return replace(mesh, vertices=scale * mesh.vertices @ Z_UP.T, normals=normals)


def _urdf(name: str, mass: MassProperties, parts: list[str], comment: str) -> str:
    """ROS's Unified Robot Description Format: one link in the frame of the mesh."""
    i = mass.inertia
    shapes = "\n".join(
        f'    <collision><geometry><mesh filename="{part}"/></geometry></collision>' for part in parts
    )
    return f"""<?xml version="1.0"?>
{comment}
<robot name={quoteattr(name)}>
  <link name="object">
    <inertial>
      <origin xyz="{_format_row(mass.centre)}"/>
      <mass value="{mass.mass:.9g}"/>
      <inertia ixx="{i[0, 0]:.9g}" ixy="{i[0, 1]:.9g}" ixz="{i[0, 2]:.9g}"
               iyy="{i[1, 1]:.9g}" iyz="{i[1, 2]:.9g}" izz="{i[2, 2]:.9g}"/>
    </inertial>
    <visual><geometry><mesh filename="visual_lod0.obj"/></geometry></visual>
{shapes}
  </link>
</robot>
"""


def _mjcf(name: str, mass: MassProperties, parts: list[str], comment: str, texture: str | None) -> str:
    """MuJoCo's XML: a free body that is shown as the mesh and collides as its convex parts.

    MuJoCo reads no material libraries, so the texture of the visual mesh is named here.
    """
    i = mass.inertia
    lines = [f'    <mesh name="{part[:-4]}" file="{part}"/>' for part in ("visual_lod0.obj", *parts)]
    material = ""
    if texture is not None:
        lines.append(f'    <texture name="visual_lod0" type="2d" file="{texture}"/>')
        lines.append('    <material name="visual_lod0" texture="visual_lod0"/>')
        material = ' material="visual_lod0"'
    assets = "\n".join(lines)
    shapes = "\n".join(f'      <geom type="mesh" mesh="{part[:-4]}" group="3"/>' for part in parts)
    inertia = np.array((i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]))
    return f"""{comment}
<mujoco model={quoteattr(name)}>
  <asset>
{assets}
  </asset>
  <worldbody>
    <body name="object">
      <freejoint/>
      <inertial pos="{_format_row(mass.centre)}" mass="{mass.mass:.9g}" fullinertia="{_format_row(inertia)}"/>
      <geom type="mesh" mesh="visual_lod0"{material} contype="0" conaffinity="0" group="2"/>
{shapes}
    </body>
  </worldbody>
</mujoco>
"""


def _format_row(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.9g}" for value in values)
