"""From found masks to 3D objects: what objects and scene share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maquette.contract import DepthMap, Intrinsics, ObjectFailure, ObjectFormat, ObjectResult, Rle

from workers.engines.objects.export import (
    Baked,
    asset_glb,
    asset_splat_ply,
    asset_textured_glb,
    asset_usdz,
    baked,
)
from workers.engines.protocols import ObjectAsset
from workers.errors import JobProblem
from workers.formats import rle
from workers.formats.images import encode_png
from workers.formats.registry import (
    MESH_CODECS,
    SPLAT_CODECS,
    TEXTURED_FORMATS,
    FileFormat,
    check_installed,
)
from workers.jobs.cameras import find_measured_camera, to_wire_camera, to_wire_pose
from workers.jobs.context import JobContext
from workers.jobs.depth_maps import load_depth
from workers.jobs.media_loader import LoadedImage
from workers.jobs.previews import render_asset_preview
from workers.jobs.segment.instances import InstanceMask, to_wire_box

# What is written with a baked texture, which is made once for all of them.
TEXTURED_WRITERS: dict[ObjectFormat, Callable[[ObjectAsset, Baked], bytes]] = {
    "textured_glb": lambda asset, texture: asset_textured_glb(asset, "object", texture),
    "usdz": asset_usdz,
}


@dataclass(frozen=True, slots=True)
class ReconstructedObject:
    """A found object and its asset."""

    index: int
    name: str
    instance: InstanceMask
    asset: ObjectAsset


def reconstruct_objects(
    context: JobContext,
    image: LoadedImage,
    found: list[InstanceMask],
    given: Intrinsics | None,
    seed: int,
    depth_map: DepthMap | None = None,
) -> tuple[list[ReconstructedObject], list[ObjectFailure]]:
    """Lift each object; one that cannot be lifted is told, the others go on. JobProblem for bad depth."""
    engine = context.engines.objects()
    context.record_engine(engine.info)
    camera, depth = find_measured_camera(image, given), None
    if depth_map is not None:
        measured = load_depth(context.media, depth_map, image.width, image.height, camera)
        camera, depth = measured.camera, measured.depth
    lifted: list[ReconstructedObject] = []
    failures: list[ObjectFailure] = []
    for index, item in enumerate(found):
        context.progress("lift", index, len(found), item.label)
        try:
            asset = engine.reconstruct(
                image.pixels, item.mask, camera=camera, depth=depth, label=item.label, seed=seed
            )
        except ValueError as error:
            failures.append(
                ObjectFailure(index=index, label=item.label, code="object_not_lifted", detail=str(error))
            )
            continue
        name = f"object-{index:03d}"
        lifted.append(ReconstructedObject(index, name, item, asset))
    context.progress("lift", len(found), len(found))
    return lifted, failures


def check_formats(formats: Sequence[ObjectFormat]) -> None:
    """Raise JobProblem (`extra_missing`) for a format whose library is not installed."""
    try:
        check_installed(TEXTURED_FORMATS[name] for name in formats if name in TEXTURED_FORMATS)
    except ImportError as error:
        raise JobProblem("extra_missing", str(error)) from None


def write_object(
    context: JobContext, item: ReconstructedObject, formats: Sequence[ObjectFormat] = ()
) -> ObjectResult:
    """Store an asset's GLB, splat and preview, and what else `formats` asks for."""
    asset, name = item.asset, item.name
    mesh = context.save(
        f"{name}.glb", "mesh", "model/gltf-binary", asset_glb(asset, item.instance.label or name)
    )
    splat = context.save(f"{name}.ply", "splat", "application/x-ply", asset_splat_ply(asset))
    context.save(f"{name}.png", "preview", "image/png", encode_png(render_asset_preview(asset)))
    files: dict[ObjectFormat, str] = {"glb": mesh.name, "ply": splat.name}
    for wanted, splat_codec in SPLAT_CODECS.items():
        if wanted in formats and wanted not in files:
            files[wanted] = _save(context, name, splat_codec, splat_codec.write(asset.splat))
    for wanted, mesh_codec in MESH_CODECS.items():
        if wanted in formats and wanted not in files:
            files[wanted] = _save(context, name, mesh_codec, mesh_codec.write(asset.mesh))
    if TEXTURED_WRITERS.keys() & set(formats):
        texture = baked(asset)
        for textured, write in TEXTURED_WRITERS.items():
            if textured in formats:
                files[textured] = _save(context, name, TEXTURED_FORMATS[textured], write(asset, texture))
    return ObjectResult(
        index=item.index,
        label=item.instance.label,
        score=item.instance.score,
        box=to_wire_box(item.instance.box),
        mask=Rle.model_validate(rle.encode_mask(item.instance.mask)),
        mesh=mesh.name,
        splat=splat.name,
        files=files,
        pose=to_wire_pose(asset.pose),
        camera=to_wire_camera(asset.camera),
        scale_source=asset.scale_source,
        confidence=asset.confidence,
        silhouette_iou=asset.silhouette_iou,
        vertices=len(asset.mesh.vertices),
        faces=len(asset.mesh.faces),
        gaussians=len(asset.splat),
        flags=sorted({*asset.flags, *item.instance.flags}),
    )


def _save(context: JobContext, name: str, file_format: FileFormat, data: bytes) -> str:
    return context.save(
        f"{name}.{file_format.extension}", file_format.role, file_format.media_type, data
    ).name
