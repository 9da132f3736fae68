"""Runs a convert job."""

from collections import Counter

from maquette.contract import AssetFormat, AssetPart, ConvertJob, ConvertResult, Manifest

from workers.errors import JobProblem
from workers.formats.losses import name_flags
from workers.formats.registry import MESH_WRITERS, SPLAT_WRITERS
from workers.formats.splat_ply import read_splat_ply
from workers.jobs.context import JobContext
from workers.jobs.convert.sandbox import ConversionSandbox
from workers.jobs.convert.views import render_views

# Converted files are named splat.* or mesh.*, so this one needs no second "splat".
EXTENSIONS = {"khr_glb": "khr.glb"}


def run(context: JobContext, request: ConvertJob) -> Manifest:
    """Read the asset once and write each requested format; what is left out is counted and flagged."""
    path = context.media.find_asset(request.asset)
    files: dict[AssetFormat, str] = {}
    dropped: dict[AssetFormat, dict[AssetPart, int]] = {}
    with ConversionSandbox(path.stat().st_size) as sandbox:
        kind, source = sandbox.load(path, request.formats)
        if request.views and kind != "splat":
            raise JobProblem("views_of_mesh", "'views' are of splats, and this asset is a mesh")
        for number, wanted in enumerate(dict.fromkeys(request.formats)):
            context.progress("convert", number, len(request.formats), wanted)
            converted = sandbox.write(wanted, y_down=request.y_down)
            target = SPLAT_WRITERS[wanted] if kind == "splat" else MESH_WRITERS[wanted]
            name = f"{kind}.{EXTENSIONS.get(wanted, target.extension)}"
            files[wanted] = context.save(name, target.role, target.media_type, converted.data).name
            for side_name, (media_type, data) in converted.side_files.items():
                context.save(side_name, "texture", media_type, data)
            if converted.dropped:
                dropped[wanted] = dict(converted.dropped)
        # what the sandbox has read and cleaned
        splat = read_splat_ply(sandbox.write("ply", y_down=False).data) if request.views else None
    views = [] if splat is None else render_views(context, request, splat)
    every: Counter[AssetPart] = sum(map(Counter, dropped.values()), Counter())
    return context.build_manifest(
        ConvertResult(asset=kind, source=source, files=files, dropped=dropped, views=views),
        parameters={"y_down": request.y_down, "anti_aliased": request.anti_aliased},
        seed=request.seed,
        flags=name_flags(every),
    )
