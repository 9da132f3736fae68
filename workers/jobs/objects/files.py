"""Writes an object's files: the formats that are always written, and those that a request names."""

from collections.abc import Callable, Sequence

from maquette.contract import ObjectFormat, ObjectResult, Rle

from workers.engines.objects.export import (
    BakedAsset,
    write_asset_glb,
    write_asset_html,
    write_asset_splat_ply,
    write_asset_textured_glb,
    write_asset_usdz,
)
from workers.engines.protocols import ObjectAsset
from workers.errors import JobProblem
from workers.formats import rle
from workers.formats.images import encode_png
from workers.formats.registry import (
    MESH_CODECS,
    MESH_WRITERS,
    SPLAT_CODECS,
    SPLAT_WRITERS,
    TEXTURED_FORMATS,
    FileFormat,
    check_installed,
)
from workers.jobs.context import JobContext
from workers.jobs.objects.reconstruction import ReconstructedObject
from workers.jobs.previews import render_asset_preview
from workers.jobs.wire import to_wire_box, to_wire_camera, to_wire_pose

# bakes the texture of an object when it is called for the first time
Bake = Callable[[], BakedAsset]
# formats with a baked texture, which is baked once for all of them
TEXTURED_WRITERS: dict[ObjectFormat, Callable[[ObjectAsset, BakedAsset], bytes]] = {
    "textured_glb": lambda asset, texture: write_asset_textured_glb(asset, "object", texture),
    "usdz": write_asset_usdz,
}


def check_formats(formats: Sequence[ObjectFormat]) -> None:
    """Raise JobProblem (`extra_missing`) for a format whose library is not installed."""
    try:
        check_installed(TEXTURED_FORMATS[name] for name in formats if name in TEXTURED_FORMATS)
    except ImportError as error:
        raise JobProblem("extra_missing", str(error)) from None


def write_object(
    context: JobContext, item: ReconstructedObject, formats: Sequence[ObjectFormat], bake: Bake
) -> ObjectResult:
    """Save an object's GLB, splat and preview and the other requested formats; returns its result."""
    asset, instance = item.asset, item.instance
    files = _write_files(context, item, formats, bake)
    return ObjectResult(
        index=item.index,
        label=instance.label,
        score=instance.score,
        box=to_wire_box(instance.box),
        mask=Rle.model_validate(rle.encode_mask(instance.mask)),
        mesh=files["glb"],
        splat=files["ply"],
        files=files,
        pose=to_wire_pose(asset.pose),
        camera=to_wire_camera(asset.camera),
        scale_source=asset.scale_source,
        confidence=asset.confidence,
        silhouette_iou=asset.silhouette_iou,
        vertices=len(asset.mesh.vertices),
        faces=len(asset.mesh.faces),
        gaussians=len(asset.splat),
        flags=sorted({*asset.flags, *instance.flags}),
    )


def _write_files(
    context: JobContext, item: ReconstructedObject, formats: Sequence[ObjectFormat], bake: Bake
) -> dict[ObjectFormat, str]:
    asset, name = item.asset, item.name
    title = item.instance.label or name
    mesh = write_asset_glb(asset, title)
    files: dict[ObjectFormat, str] = {
        "glb": _save(context, name, MESH_CODECS["glb"], mesh),
        "ply": _save(context, name, SPLAT_CODECS["ply"], write_asset_splat_ply(asset)),
    }
    context.save(f"{name}.png", "preview", "image/png", encode_png(render_asset_preview(asset)))
    for splat_format, splat_writer in SPLAT_WRITERS.items():
        if splat_format in formats and splat_format not in files:
            data = (
                write_asset_html(asset, title) if splat_format == "html" else splat_writer.write(asset.splat)
            )
            files[splat_format] = _save(context, name, splat_writer, data)
    for mesh_format, mesh_writer in MESH_WRITERS.items():
        if mesh_format in formats and mesh_format not in {*files, *TEXTURED_WRITERS}:
            files[mesh_format] = _save(context, name, mesh_writer, mesh_writer.write(asset.mesh))
    if TEXTURED_WRITERS.keys() & set(formats):
        texture = bake()
        for textured, write in TEXTURED_WRITERS.items():
            if textured in formats:
                files[textured] = _save(context, name, TEXTURED_FORMATS[textured], write(asset, texture))
    return files


def _save(context: JobContext, name: str, file_format: FileFormat, data: bytes) -> str:
    file = f"{name}.{file_format.extension}"
    return context.save(file, file_format.role, file_format.media_type, data).name
