"""What an objects job makes of an asset on request: a simulation package, a turntable film."""

import numpy as np
from maquette.contract import ObjectOutput, ObjectsJob

from workers.engines.protocols import ObjectAsset, Rgb
from workers.formats.images import encode_png
from workers.formats.simulation.package import write_simulation_zip
from workers.formats.simulation.solids import NotSolid
from workers.geometry.mesh_renderer import render_mesh
from workers.jobs.context import JobContext
from workers.jobs.objects.reconstruction import ReconstructedObject
from workers.jobs.objects.turntable import render_turntable


def write_extras(
    context: JobContext, image: Rgb, item: ReconstructedObject, request: ObjectsJob
) -> tuple[dict[ObjectOutput, str], list[str]]:
    """Save what `outputs` asks for; gives the artefact of each, and flags.

    `image` (H, W, 3) is what the asset's camera looks at.
    """
    made: dict[ObjectOutput, str] = {}
    flags: list[str] = []
    if "placed" in request.outputs:
        picture = encode_png(_placed(image, item.asset))
        made["placed"] = context.save(f"{item.name}-placed.png", "overlay", "image/png", picture).name
    if "turntable" in request.outputs:
        film = render_turntable(item.asset)
        made["turntable"] = context.save(f"{item.name}-turntable.mp4", "preview", "video/mp4", film).name
    if "simulation" in request.outputs:
        scale, source = _metres(item.asset, request.longest_side_m)
        notes: dict[str, object] = {
            "engine": context.engines.objects().info.name,
            "scale_source": source,
            "flags": list(item.asset.flags),
        }
        name = item.instance.label or item.name
        try:
            data = write_simulation_zip(
                item.asset.mesh, name, scale=scale, density=request.density, notes=notes
            )
        except NotSolid:
            return made, ["not_solid"]
        saved = context.save(f"{item.name}-simulation.zip", "simulation", "application/zip", data)
        made["simulation"] = saved.name
        flags = [] if source in ("given", "metric") else ["mass_not_metric"]
    return made, flags


def _metres(asset: ObjectAsset, longest_side: float | None) -> tuple[float, str]:
    """How many metres a unit of the mesh is, and who says so."""
    if longest_side is None:
        return asset.pose.scale, asset.scale_source
    return longest_side / float(np.ptp(asset.mesh.vertices, axis=0).max()), "given"


def _placed(image: Rgb, asset: ObjectAsset) -> Rgb:
    """The picture (H, W, 3) with the posed mesh over it."""
    mesh = asset.mesh
    drawn, depth = render_mesh(mesh.vertices, mesh.faces, mesh.colors, asset.camera, asset.pose)
    hit = np.isfinite(depth)
    out = (0.5 * image + 127.5).astype(np.uint8)
    out[hit] = drawn[hit]
    return out
