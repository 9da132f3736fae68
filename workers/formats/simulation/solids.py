"""What a simulator needs of a closed mesh: fewer faces, convex parts, mass and inertia."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from workers.formats.decimation import decimated
from workers.geometry.meshes import Mesh

LOD_FACES = (4000, 1000, 250)
# what V-HACD may give at most, and how fine it looks
MOST_PARTS, VOXELS = 16, 100_000
SMALLEST_VOLUME = 1e-12


class NotSolid(ValueError):
    """The mesh encloses no volume, so it has no mass."""


@dataclass(frozen=True, slots=True)
class MassProperties:
    """Mass in kg, centre of mass (3,) in metres, and inertia (3, 3) about it in kg m², in the mesh's axes."""

    mass: float
    centre: NDArray[np.float64]
    inertia: NDArray[np.float64]


def mass_of(mesh: Mesh, density: float) -> MassProperties:
    """Mass properties of a closed mesh in metres at an even density in kg/m³; raises NotSolid.

    Source: Eberly, "Polyhedral Mass Properties (Revisited)", 2002, as trimesh computes it.
    """
    solid = _trimesh(mesh)
    if not solid.is_watertight or abs(float(solid.volume)) < SMALLEST_VOLUME:
        raise NotSolid("the mesh is not closed or has no volume")
    solid.density = density
    return MassProperties(
        float(solid.mass), np.asarray(solid.center_mass), np.asarray(solid.moment_inertia, dtype=np.float64)
    )


def levels(mesh: Mesh) -> list[Mesh]:
    """The mesh and versions with at most 4000, 1000 and 250 faces, each of fewer than the one before."""
    out = [mesh]
    for most in LOD_FACES:
        if most < len(out[-1].faces):
            out.append(decimated(mesh, most))
    return out


def convex_parts(mesh: Mesh) -> list[Mesh]:
    """Convex meshes that together cover the mesh (V-HACD, Mamou 2016); at most 16."""
    parts = trimesh.decomposition.convex_decomposition(
        _trimesh(mesh), maxConvexHulls=MOST_PARTS, resolution=VOXELS
    )
    return [
        Mesh(np.asarray(part["vertices"], dtype=np.float64), np.asarray(part["faces"], dtype=np.int64))
        for part in parts
    ]


def _trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices=mesh.vertices, faces=mesh.faces, process=False)
