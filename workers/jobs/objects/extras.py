"""The extra outputs of an object: the posed mesh over the image, a turntable video, a simulation package."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
from maquette.contract import ObjectOutput, ObjectResult, ObjectsJob
from maquette.contract.requests import ReconstructionJob
from numpy.typing import NDArray

from workers.engines.objects.export import bake_asset
from workers.engines.protocols import ObjectAsset, Rgb
from workers.formats.annotated_arrays import AnnotatedArray, write_npz
from workers.formats.images import encode_png
from workers.formats.simulation.package import write_simulation_zip
from workers.formats.simulation.solids import NotSolid
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.jobs.asset_views import AMBIENT
from workers.jobs.context import JobContext
from workers.jobs.objects.files import Bake, write_object
from workers.jobs.objects.reconstruction import ReconstructedObject
from workers.jobs.objects.turntable import render_turntable


def write_object_with_extras(
    context: JobContext, image: Rgb, item: ReconstructedObject, request: ObjectsJob
) -> ObjectResult:
    """Save the formats and extra outputs that the request names; `image` (H, W, 3) is the asset's view."""
    bake = cache(partial(bake_asset, item.asset))
    extras, flags = write_extras(context, image, item, request, bake)
    result = write_object(context, item, request.formats, bake)
    return result.model_copy(update={"extras": extras, "flags": sorted({*result.flags, *flags})})


def write_extras(
    context: JobContext,
    image: Rgb,
    item: ReconstructedObject,
    request: ReconstructionJob,
    bake: Bake | None = None,
) -> tuple[dict[ObjectOutput, str], list[str]]:
    """Save the extra outputs that the request names; returns their artefacts' names, and flags."""
    extras: dict[ObjectOutput, str] = {}
    flags: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        # A package is built beside the other outputs; files are saved in one order all the same.
        simulation = None
        if "simulation" in request.outputs:
            simulation = pool.submit(
                _build_simulation,
                item,
                request,
                context.engines.objects().info.name,
                bake or partial(bake_asset, item.asset),
            )
        if "placed" in request.outputs:
            overlay = encode_png(_draw_over_image(image, item.asset))
            extras["placed"] = context.save(f"{item.name}-placed.png", "overlay", "image/png", overlay).name
        if "turntable" in request.outputs:
            video = render_turntable(
                item.asset, side=request.turntable_size, seconds=request.turntable_seconds
            )
            saved = context.save(f"{item.name}-turntable.mp4", "preview", "video/mp4", video)
            extras["turntable"] = saved.name
        if "pointmap" in request.outputs and item.asset.pointmap is not None:
            extras["pointmap"] = _save_pointmap(context, item.name, item.asset.pointmap, item.asset.camera)
        if simulation is not None:
            package, flags = simulation.result()
            if package is not None:
                saved = context.save(f"{item.name}-simulation.zip", "simulation", "application/zip", package)
                extras["simulation"] = saved.name
    return extras, flags


def _build_simulation(
    item: ReconstructedObject, request: ReconstructionJob, engine: str, bake: Bake
) -> tuple[bytes | None, list[str]]:
    """The package and its flags; None for a mesh that encloses no volume."""
    scale, source = _choose_metres_per_unit(item.asset, request.longest_side_m)
    notes: dict[str, object] = {
        "engine": engine,
        "scale_source": source,
        "flags": list(item.asset.flags),
    }
    name = item.instance.label or item.name
    try:
        package = write_simulation_zip(
            item.asset.mesh,
            name,
            scale=scale,
            density=request.density,
            notes=notes,
            make_visual=lambda: bake().to_mesh(),
        )
    except NotSolid:
        return None, ["not_solid"]
    return package, [] if source in ("given", "metric") else ["mass_not_metric"]


def _save_pointmap(context: JobContext, name: str, points: NDArray[np.float32], camera: Camera) -> str:
    """The points as NPZ, with the intrinsics of their own size; returns the artefact's name."""
    height, width = points.shape[:2]
    across, down = width / camera.width, height / camera.height
    intrinsics = np.array(
        [[camera.fx * across, 0, camera.cx * across], [0, camera.fy * down, camera.cy * down], [0, 0, 1]]
    )
    frame = "camera (x right, y down, z forward)"
    arrays = {
        "points": AnnotatedArray(points, "points of the image, NaN where unknown", "camera unit", frame),
        "intrinsics": AnnotatedArray(intrinsics, "matrix of the camera for this size", "pixel"),
    }
    data = write_npz({"kind": "pointmap", "image_width": camera.width, "image_height": camera.height}, arrays)
    return context.save(f"{name}-pointmap.npz", "pointmap", "application/x-npz", data).name


def _choose_metres_per_unit(asset: ObjectAsset, longest_side: float | None) -> tuple[float, str]:
    """Metres per unit of the mesh, and where they come from."""
    if longest_side is None:
        return asset.pose.scale, asset.scale_source
    return longest_side / float(np.ptp(asset.mesh.vertices, axis=0).max()), "given"


def _draw_over_image(image: Rgb, asset: ObjectAsset) -> Rgb:
    """The image (H, W, 3), lightened, with the posed mesh over it."""
    mesh = asset.mesh
    rendered, depth = render_mesh(
        mesh.vertices,
        mesh.faces,
        mesh.colors,
        asset.camera,
        asset.pose,
        ambient=AMBIENT,
        texture=asset.photo,
    )
    covered = np.isfinite(depth)
    out = (0.5 * image + 127.5).astype(np.uint8)
    out[covered] = rendered[covered]
    return out
