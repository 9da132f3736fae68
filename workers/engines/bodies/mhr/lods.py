"""Levels of detail 0 to 6: every vertex of a level is a fixed point on a triangle of LOD 1.

The official mappings (`mhr` 1.0.1, Apache-2.0) say which triangle and where in it; they are shipped in
`models/` with float32 weights. Faces of the other levels come from the FBX files of the assets.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.mhr.assets import MhrCorrupt, MhrMissing
from workers.engines.bodies.mhr.fbx import FbxError, read_meshes
from workers.engines.bodies.mhr.model import Floats, Ints, SkinnedMesh, keep_strongest
from workers.engines.bodies.mhr.rig import unskin
from workers.engines.bodies.rig import pose_rig
from workers.engines.protocols import BodyEstimate
from workers.engines.weights import find_weight

COUNTS = (73639, 18439, 10661, 4899, 2461, 971, 595)
NATIVE = 1
# Median distance between a level's own rest mesh and the mapped one, as a share of the height, above which
# the file is another mesh. Chosen, not measured: the files were not available.
MAX_DISTANCE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class LodMap:
    """For N vertices: a triangle (N,) of LOD 1 and weights (N, 3) of its corners, summing to 1."""

    triangles: Ints
    weights: Floats

    def apply(self, values: NDArray[Any], faces: Ints) -> Floats:
        """Values (V, ...) at the vertices of LOD 1, whose faces are (F, 3), at the N vertices: (N, ...)."""
        mixed = np.einsum("nk,nk...->n...", self.weights, values[faces[self.triangles]])
        return np.asarray(mixed, dtype=np.float64)

    def skin(self, mesh: SkinnedMesh, faces: Ints, joints: int) -> SkinnedMesh:
        """The skin of LOD 1 carried to this level, whose own faces are `faces` (G, 3)."""
        dense = np.zeros((len(self.triangles), joints), dtype=np.float32)
        corners = mesh.faces[self.triangles]
        rows = np.arange(len(dense))[:, None]
        for corner in range(3):
            shares = self.weights[:, corner, None] * mesh.skin_weights[corners[:, corner]]
            np.add.at(dense, (rows, mesh.skin_joints[corners[:, corner]]), shares)
        return SkinnedMesh(faces, *keep_strongest(dense))


@lru_cache(maxsize=8)
def load_lod_map(lod: int) -> LodMap:
    """The mapping of a level; raises ValueError for LOD 1 and unknown levels, or as `find_weight`."""
    if lod == NATIVE or not 0 <= lod < len(COUNTS):
        raise ValueError(f"levels other than {NATIVE} are 0 and 2 to {len(COUNTS) - 1}, got {lod}")
    with np.load(find_weight(f"mhr_lod{lod}.npz"), allow_pickle=False) as data:
        two = data["weights"].astype(np.float64)
        weights = np.concatenate([two, 1.0 - two.sum(axis=1, keepdims=True)], axis=1)
        return LodMap(data["triangles"].astype(np.int64), weights)


def load_lod_faces(folder: Path, lod: int) -> Ints:
    """Faces (G, 3) of a level from the assets' FBX files, whose vertices are checked against the mapping.

    Raises MhrMissing without the files, MhrCorrupt when they cannot be read or are of another mesh.
    """
    mapping = load_lod_map(lod)
    native, level = _mesh(folder, NATIVE), _mesh(folder, lod)
    mapped = mapping.apply(native[0], native[1])
    distance = np.linalg.norm(mapped - level[0], axis=1)
    height = float(np.ptp(native[0], axis=0).max())
    if np.median(distance) > MAX_DISTANCE * height:
        raise MhrCorrupt(f"the vertices of lod{lod}.fbx in {folder} are not those of the mapping")
    return level[1]


def load_lod_mesh(mesh: SkinnedMesh, folder: Path, lod: int, joints: int) -> SkinnedMesh:
    """The mesh and skin of a level other than 1, of `joints` joints; raises as `load_lod_faces`."""
    return load_lod_map(lod).skin(mesh, load_lod_faces(folder, lod), joints)


def convert_lod(body: BodyEstimate, lod: int, mesh: SkinnedMesh) -> BodyEstimate:
    """A body of LOD 1 at another level, whose skin is `mesh`: same joints and pose, mapped vertices."""
    rig = body.rig
    vertices = load_lod_map(lod).apply(body.vertices, rig.faces)
    global_rotations, positions = pose_rig(rig)
    finer = replace(
        rig,
        rest_vertices=unskin(vertices, mesh, global_rotations, positions, rig.rest_joints),
        faces=mesh.faces,
        skin_joints=mesh.skin_joints,
        skin_weights=mesh.skin_weights,
    )
    return replace(body, rig=finer, vertices=vertices)


def _mesh(folder: Path, lod: int) -> tuple[Floats, Ints]:
    path = folder / f"lod{lod}.fbx"
    try:
        meshes = [mesh for mesh in read_meshes(path) if len(mesh.vertices) == COUNTS[lod]]
    except FileNotFoundError as error:
        raise MhrMissing(f"{path} is missing: LOD {lod} needs it") from error
    except FbxError as error:
        raise MhrCorrupt(f"{path}: {error}") from error
    if len(meshes) != 1:
        raise MhrCorrupt(f"{path} holds {len(meshes)} meshes of {COUNTS[lod]} vertices, not one")
    return meshes[0].vertices, meshes[0].faces
