"""What a simulator needs besides a closed mesh: levels of detail, mass and inertia."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from workers.formats.decimation import decimate
from workers.geometry.meshes import Mesh

# The most faces of each level of detail; chosen, not measured.
LOD_FACES = (4000, 1000, 250)
# Cubic metres below which a mesh counts as flat.
MIN_VOLUME = 1e-12


class NotSolid(ValueError):
    """The mesh encloses no volume, so it has no mass."""


@dataclass(frozen=True, slots=True)
class MassProperties:
    """Mass in kg, centre of mass (3,) in metres, and inertia (3, 3) about it in kg m², in the mesh's axes."""

    mass: float
    centre: NDArray[np.float64]
    inertia: NDArray[np.float64]


def compute_mass(mesh: Mesh, density: float) -> MassProperties:
    """Mass properties of a closed mesh in metres with a uniform density in kg/m³; raises NotSolid.

    Source: Eberly, "Polyhedral Mass Properties (Revisited)", 2002, as implemented by trimesh.
    """
    solid = _to_trimesh(mesh)
    if not solid.is_watertight or abs(float(solid.volume)) < MIN_VOLUME:
        raise NotSolid("the mesh is not closed or has no volume")
    solid.density = density
    return MassProperties(
        float(solid.mass), np.asarray(solid.center_mass), np.asarray(solid.moment_inertia, dtype=np.float64)
    )


def make_lods(mesh: Mesh) -> list[Mesh]:
    """The mesh and versions with at most 4000, 1000 and 250 faces, each with fewer than the one before."""
    lods = [mesh]
    for max_faces in LOD_FACES:
        if max_faces < len(lods[-1].faces):
            lods.append(decimate(mesh, max_faces))
    return lods


def _to_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices=mesh.vertices, faces=mesh.faces, process=False)
