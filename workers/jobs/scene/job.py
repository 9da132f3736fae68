"""Runs a scene job."""

from collections.abc import Sequence
from dataclasses import replace

from maquette.contract import Manifest, Pose, SceneFormat, SceneJob, SceneNode, SceneResult

from workers.engines.protocols import Rgb
from workers.formats.overlay import overlay_png
from workers.formats.registry import MESH_WRITERS, SPLAT_WRITERS, FileFormat
from workers.jobs.bodies.recovery import PERSON, RecoveredPerson, recover_people, to_regions
from workers.jobs.cameras import choose_camera
from workers.jobs.context import JobContext
from workers.jobs.objects.extras import write_extras
from workers.jobs.objects.ground import find_ground
from workers.jobs.objects.reconstruction import (
    ReconstructedObject,
    measure_view,
    reconstruct_objects,
)
from workers.jobs.scene.files import merge_splats, write_scene_glb, write_scene_html
from workers.jobs.scene.measured_bodies import place_at_depth
from workers.jobs.scene.scene_scale import estimate_ground, place_on_ground
from workers.jobs.sources import load_image_and_instances
from workers.jobs.wire import to_wire_box, to_wire_camera, to_wire_pose

IDENTITY = Pose(rotation_wxyz=(1, 0, 0, 0), translation=(0, 0, 0), scale=1)


def run(context: JobContext, request: SceneJob) -> Manifest:
    """Reconstruct every instance: those labelled person as bodies, the others as objects."""
    image, instances = load_image_and_instances(context, request)
    humans = [item for item in instances if item.label == PERSON]
    things = [item for item in instances if item.label != PERSON]
    view = measure_view(context, image, request)
    floor = find_ground(context, image, view, request)
    objects, failures = reconstruct_objects(context, image, things, view, request)
    camera = view.camera or choose_camera(image, request.camera)
    people, missing = recover_people(context, image, to_regions(humans), view.camera, request.seed)
    people = [
        replace(person, body=place_at_depth(person.body, humans[person.index].mask, view))
        for person in people
    ]
    ground = estimate_ground([person.body for person in people])
    if ground is not None:
        objects = [
            replace(
                item,
                asset=place_on_ground(
                    item.asset, item.instance.mask, camera, ground, contact=request.contact
                ),
            )
            for item in objects
        ]
    context.progress("write", message="writing the scene")
    overlay = overlay_png(
        image.pixels, [item.mask for item in instances], [item.label or "" for item in instances]
    )
    context.save("overlay.png", "overlay", "image/png", overlay)
    nodes = [_write_object_node(context, image.pixels, item, request) for item in objects]
    nodes += [_to_body_node(person) for person in people]
    files = _write_files(context, request, objects, people)
    result = SceneResult(
        width=image.width,
        height=image.height,
        camera=to_wire_camera(camera),
        nodes=nodes,
        mesh=files.get("glb"),
        splat=files.get("ply"),
        files=files,
        failures=failures + missing,
        ground=floor,
    )
    context.save("layout.json", "layout", "application/json", result.model_dump_json(indent=1).encode())
    return context.build_manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text, "contact": request.contact},
        seed=request.seed,
        reason=None if nodes else "nothing in the image matches the prompts",
        flags=_list_flags(nodes, has_scale=ground is not None),
        from_job=request.from_job,
    )


def _write_object_node(
    context: JobContext, image: Rgb, item: ReconstructedObject, request: SceneJob
) -> SceneNode:
    """The node of an object, after its extra outputs are saved."""
    extras, flags = write_extras(context, image, item, request)
    return SceneNode(
        name=item.name,
        kind="object",
        label=item.instance.label,
        box=to_wire_box(item.instance.box),
        pose=to_wire_pose(item.asset.pose),
        scale_source=item.asset.scale_source,
        confidence=item.asset.confidence,
        silhouette_iou=item.asset.silhouette_iou,
        extras=extras,
        flags=[*item.asset.flags, *flags],
    )


def _to_body_node(person: RecoveredPerson) -> SceneNode:
    return SceneNode(
        name=person.name,
        kind="body",
        label=PERSON,
        box=to_wire_box(person.body.box),
        # a body's vertices are in the camera frame already
        pose=IDENTITY,
        scale_source=person.body.scale_source,
        confidence=person.body.confidence,
        silhouette_iou=None,
        flags=list(person.body.flags),
    )


def _write_files(
    context: JobContext,
    request: SceneJob,
    objects: Sequence[ReconstructedObject],
    people: Sequence[RecoveredPerson],
) -> dict[SceneFormat, str]:
    """One GLB of everything, a page that shows it, and the objects' splats in PLY and other formats."""
    files: dict[SceneFormat, str] = {}
    assets = [(item.name, item.asset) for item in objects]
    if objects or people:
        glb = write_scene_glb(assets, [(person.name, person.body) for person in people])
        files["glb"] = _save(context, MESH_WRITERS["glb"], glb)
        if "html" in request.formats:
            scales = {item.asset.scale_source for item in objects}
            scales |= {person.body.scale_source for person in people}
            page = write_scene_html(glb, is_metric=scales == {"metric"})
            files["html"] = _save(context, MESH_WRITERS["html"], page)
    if assets:
        merged = merge_splats(assets)
        formats: tuple[SceneFormat, ...] = ("ply", *request.formats)
        for name in dict.fromkeys(formats):
            if name not in ("glb", "html"):
                writer = SPLAT_WRITERS[name]
                files[name] = _save(context, writer, writer.write(merged))
    return files


def _save(context: JobContext, file_format: FileFormat, data: bytes) -> str:
    file = f"scene.{file_format.extension}"
    return context.save(file, file_format.role, file_format.media_type, data).name


def _list_flags(nodes: Sequence[SceneNode], *, has_scale: bool) -> list[str]:
    if not nodes:
        return ["nothing_found"]
    # without a body or a depth map nothing says how far one object is behind another
    objects = [node for node in nodes if node.kind == "object"]
    all_metric = all(node.scale_source == "metric" for node in objects)
    return ["relative_depth_between_nodes"] if len(objects) > 1 and not has_scale and not all_metric else []
