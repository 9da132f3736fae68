"""Runs a convert job."""

from maquette.contract import ConvertJob, ConvertResult, Manifest

from workers.errors import JobProblem
from workers.formats.convert import ConvertError, FormatMismatch, convert_asset, detect
from workers.formats.registry import MESH_CODECS, SPLAT_CODECS
from workers.jobs.context import JobContext

# Converted files are named splat.* or mesh.*, so this one needs no second "splat".
EXTENSIONS = {"khr_glb": "khr.glb"}


def run(context: JobContext, request: ConvertJob) -> Manifest:
    """Read the asset once and write each requested format."""
    data = context.media.load_asset(request.asset)
    files = {}
    try:
        kind, source = detect(data)
        codecs = SPLAT_CODECS if kind == "splat" else MESH_CODECS
        for number, wanted in enumerate(dict.fromkeys(request.formats)):
            context.progress("convert", number, len(request.formats), wanted)
            converted = convert_asset(data, wanted, y_down=request.y_down)
            codec = codecs[wanted]
            name = f"{kind}.{EXTENSIONS.get(wanted, codec.extension)}"
            files[wanted] = context.save(name, codec.role, codec.media_type, converted).name
    except FormatMismatch as error:
        raise JobProblem("format_unfit", str(error)) from error
    except ConvertError as error:
        raise JobProblem("asset_unreadable", f"{error}: send a file that its own viewer opens") from error
    result = ConvertResult(asset=kind, source=source, files=files)
    return context.build_manifest(result, parameters={"y_down": request.y_down}, seed=request.seed)
