"""One ZIP for simulators: URDF and MJCF with their meshes, in metres, z up."""

import json
import re
from dataclasses import replace
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from workers.formats.obj_writer import write_mesh_obj
from workers.formats.simulation.solids import MassProperties, compute_mass, decompose_convex, make_lods
from workers.formats.zip_writer import write_zip
from workers.geometry.meshes import Mesh

HYPHENS = r"-\u002d"
# what XML 1.0 cannot hold, even escaped
XML_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Robotics uses z up; a quarter turn about x takes y up to z up.
Z_UP: NDArray[np.float64] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def write_simulation_zip(
    mesh: Mesh, name: str, *, scale: float, density: float, notes: dict[str, object]
) -> bytes:
    """A package of `mesh`, in its canonical frame (y up), as a body with a uniform density in kg/m³.

    `scale` is the length of the mesh's unit in metres; the origin stays that of the mesh. `notes` go into
    `simulation.json` and the comments of the files. Raises NotSolid for a mesh without volume.
    """
    solid = replace(mesh, vertices=scale * mesh.vertices @ Z_UP.T)
    mass = compute_mass(solid, density)
    visuals = {f"visual_lod{level}.obj": lod for level, lod in enumerate(make_lods(solid))}
    parts = {f"collision_{number:02d}.obj": part for number, part in enumerate(decompose_convex(solid))}
    about = {
        "units": "metres, kilograms, z up",
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
    files = {
        "object.urdf": _urdf(title, mass, list(parts), comment),
        "object.xml": _mjcf(title, mass, list(parts), comment),
        "simulation.json": json.dumps(about, indent=1) + "\n",
    }
    meshes = ((file, write_mesh_obj(part)) for file, part in {**visuals, **parts}.items())
    return write_zip([*meshes, *files.items()], compressed=True)


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


def _mjcf(name: str, mass: MassProperties, parts: list[str], comment: str) -> str:
    """MuJoCo's XML: a free body that is shown as the mesh and collides as its convex parts."""
    i = mass.inertia
    assets = "\n".join(
        f'    <mesh name="{part[:-4]}" file="{part}"/>' for part in ("visual_lod0.obj", *parts)
    )
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
      <geom type="mesh" mesh="visual_lod0" contype="0" conaffinity="0" group="2"/>
{shapes}
    </body>
  </worldbody>
</mujoco>
"""


def _format_row(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.9g}" for value in values)
