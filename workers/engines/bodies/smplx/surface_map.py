"""Meta's maps between MHR's surface and SMPL's or SMPL-X's (facebookresearch/MHR, mhr_smpl_conversion)."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# vertices of MHR at the level of detail that the map is for, 1
MHR_VERTICES = 18439


class SurfaceMapError(ValueError):
    """The file is no such map, or the mesh is not the one that it is for."""


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceMap:
    """A model's vertices (V) as points of another mesh: its faces (V,) and barycentric weights (V, 3)."""

    triangles: NDArray[np.int64]
    weights: Floats

    @classmethod
    def load(cls, path: Path) -> "SurfaceMap":
        """Read `mhr2smpl_mapping.npz`, `smplx2mhr_mapping.npz` or the like; raises SurfaceMapError."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
                triangles = np.asarray(data["triangle_ids"], np.int64).reshape(-1)
                weights = np.asarray(data["baryc_coords"], np.float64).reshape(len(triangles), 3)
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise SurfaceMapError(f"{path} is no map between MHR and SMPL: {error}") from error
        if not len(triangles) or triangles.min() < 0 or not np.isfinite(weights).all():
            raise SurfaceMapError(f"{path} names no faces, or weights that are no numbers")
        return cls(triangles, weights)

    def apply(self, vertices: Floats, faces: NDArray[np.int64]) -> Floats:
        """The model's vertices (V, 3) on a mesh of `vertices` (N, 3) and `faces` (F, 3), in its frame.

        Raises SurfaceMapError for a mesh that has fewer faces than the map names.
        """
        if self.triangles.max() >= len(faces):
            raise SurfaceMapError(f"the map names a face that a mesh of {len(faces)} faces does not have")
        return np.asarray((vertices[faces[self.triangles]] * self.weights[..., None]).sum(axis=1))
