"""Splats and meshes as HTML viewers; both keep the asset's own frame, y up."""

import numpy as np
from numpy.typing import NDArray

from workers.formats.html_viewer.page import ViewerPage, ViewSphere
from workers.formats.html_viewer.splat_rows import pack_rows
from workers.formats.mesh_writers import write_mesh_glb
from workers.formats.packed_splats import sanitize_nonempty
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

# The share of Gaussians that the first view frames: training leaves a few far outside of what is meant.
FRAMED_SHARE = 0.98
# Standard deviations up to which a Gaussian is seen, as in the previews of assets.
VISIBLE_SIGMAS = 2.5


def write_splat_html(
    splat: Gaussians, *, title: str = "Splat", metres_per_unit: float | None = None
) -> bytes:
    """A page that shows a sanitised copy of `splat`; `metres_per_unit` is None where the scale is unknown.

    Raises PackedSplatError for a splat without Gaussians.
    """
    clean = sanitize_nonempty(splat)
    packed = pack_rows(clean)
    return ViewerPage(
        kind="splat",
        title=title,
        summary=f"{len(clean):,} Gaussians",
        sphere=_frame_splat(clean),
        payload=packed.rows.tobytes(),
        details={"scale_low": packed.low, "scale_high": packed.high},
        metres_per_unit=metres_per_unit,
    ).render()


def write_mesh_html(mesh: Mesh, *, title: str = "Mesh", metres_per_unit: float | None = None) -> bytes:
    """A page that shows a mesh with its colours and textures, held as the GLB of `write_mesh_glb`."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    centre = (low + high) / 2
    radius = float(np.linalg.norm(mesh.vertices - centre, axis=1).max())
    return ViewerPage(
        kind="mesh",
        title=title,
        summary=f"{len(mesh.faces):,} triangles",
        sphere=_make_sphere(centre, radius, radius),
        payload=write_mesh_glb(mesh),
        details={},
        metres_per_unit=metres_per_unit,
    ).render()


def _frame_splat(splat: Gaussians) -> ViewSphere:
    """The sphere of the Gaussians without the outermost ones, each as large as it is seen."""
    means = splat.means.astype(np.float64)
    outside = (1 - FRAMED_SHARE) / 2
    low, high = np.quantile(means, [outside, 1 - outside], axis=0)
    centre = (low + high) / 2
    reaches = np.linalg.norm(means - centre, axis=1) + VISIBLE_SIGMAS * splat.scales.max(axis=1).astype(
        np.float64
    )
    return _make_sphere(centre, float(np.quantile(reaches, FRAMED_SHARE)), float(reaches.max()))


def _make_sphere(centre: NDArray[np.float64], radius: float, reach: float) -> ViewSphere:
    x, y, z = (float(value) for value in centre)
    # a single point still needs a distance to be seen from
    return ViewSphere(centre=(x, y, z), radius=max(radius, 1e-6), reach=max(reach, 1e-6))
