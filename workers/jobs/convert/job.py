"""Convert: a splat or a mesh in other file formats."""

from maquette.contract import ConvertJob, ConvertResult, Manifest

from workers.errors import JobProblem
from workers.formats.convert import (
    MESH_FORMATS,
    SPLAT_FORMATS,
    ConvertError,
    convert_mesh,
    convert_splat,
    detect,
)
from workers.jobs.context import JobContext

MEDIA_TYPES = {
    "ply": "application/x-ply",
    "spz": "application/x-spz",
    "sog": "application/x-sog",
    "glb": "model/gltf-binary",
    "khr_glb": "model/gltf-binary",
    "obj": "model/obj",
}
ENDINGS = {"khr_glb": "khr.glb"}


def run(context: JobContext, request: ConvertJob) -> Manifest:
    """Read the asset once, and write each format that was asked for."""
    data = context.media.load_asset(request.asset)
    files = {}
    try:
        kind, source = detect(data)
        for number, wanted in enumerate(dict.fromkeys(request.formats)):
            context.progress("convert", number, len(request.formats), wanted)
            made = _converted(data, kind, wanted, y_down=request.y_down)
            name = f"{kind}.{ENDINGS.get(wanted, wanted)}"
            files[wanted] = context.save(name, kind, MEDIA_TYPES[wanted], made).name
    except ConvertError as error:
        raise JobProblem("asset_unreadable", f"{error}: send a file that its own viewer opens") from error
    result = ConvertResult(asset=kind, source=source, files=files)
    return context.build_manifest(result, parameters={"y_down": request.y_down}, seed=request.seed)


def _converted(data: bytes, kind: str, wanted: str, *, y_down: bool) -> bytes:
    for splat_format in SPLAT_FORMATS:
        if kind == "splat" and splat_format == wanted:
            return convert_splat(data, None, splat_format, y_down=y_down)
    for mesh_format in MESH_FORMATS:
        if kind == "mesh" and mesh_format == wanted:
            return convert_mesh(data, None, mesh_format)
    known = SPLAT_FORMATS if kind == "splat" else MESH_FORMATS
    raise JobProblem("format_unfit", f"a {kind} becomes one of {', '.join(known)}, not {wanted!r}")
