"""Scene: objects and bodies of one image in one camera frame."""

from dataclasses import replace

from maquette.contract import Manifest, Pose, SceneFormat, SceneJob, SceneNode, SceneResult
from maquette.contract.requests import PromptedJob

from workers.formats.overlay import overlay_png
from workers.formats.registry import SPLAT_CODECS
from workers.jobs.bodies.recovery import recover_people
from workers.jobs.cameras import choose_camera, to_wire_camera, to_wire_pose
from workers.jobs.context import JobContext
from workers.jobs.objects.reconstruction import reconstruct_objects
from workers.jobs.scene.files import merge_splats, write_scene_glb
from workers.jobs.scene.scene_scale import estimate_ground, place_on_ground
from workers.jobs.segment.instances import find_instances, to_wire_box

IDENTITY = Pose(rotation_wxyz=(1, 0, 0, 0), translation=(0, 0, 0), scale=1)


def run(context: JobContext, request: SceneJob) -> Manifest:
    """Lift everything the phrases name; people become bodies, the rest objects."""
    image = context.media.load_image(request.image)
    found = find_instances(context, image, PromptedJob(text=request.text, threshold=request.threshold))
    humans = [item for item in found if item.label == "person"]
    things = [item for item in found if item.label != "person"]
    lifted, failures = reconstruct_objects(context, image, things, request.camera, request.seed)
    camera = choose_camera(image, request.camera)
    boxes, masks = [item.box for item in humans], [item.mask for item in humans]
    persons, missing = recover_people(context, image, boxes, masks, request.camera, request.seed)
    stage = estimate_ground([person.body for person in persons])
    if stage is not None:
        lifted = [
            replace(
                item,
                asset=place_on_ground(item.asset, item.instance.mask, camera, stage, contact=request.contact),
            )
            for item in lifted
        ]
    context.progress("write", message="writing the scene")
    overlay = overlay_png(image.pixels, [i.mask for i in found], [i.label or "" for i in found])
    context.save("overlay.png", "overlay", "image/png", overlay)
    nodes = [
        SceneNode(
            name=item.name,
            kind="object",
            label=item.instance.label,
            box=to_wire_box(item.instance.box),
            pose=to_wire_pose(item.asset.pose),
            scale_source=item.asset.scale_source,
            confidence=item.asset.confidence,
            silhouette_iou=item.asset.silhouette_iou,
            flags=list(item.asset.flags),
        )
        for item in lifted
    ] + [
        SceneNode(
            name=person.name,
            kind="body",
            label="person",
            box=to_wire_box(person.body.box),
            # a body's vertices are in the camera frame already
            pose=IDENTITY,
            scale_source=person.body.scale_source,
            confidence=person.body.confidence,
            silhouette_iou=None,
            flags=list(person.body.flags),
        )
        for person in persons
    ]
    assets = [(item.name, item.asset) for item in lifted]
    bodies = [(person.name, person.body) for person in persons]
    mesh = splat = None
    files: dict[SceneFormat, str] = {}
    if nodes:
        data = write_scene_glb(assets, bodies)
        mesh = context.save("scene.glb", "mesh", "model/gltf-binary", data).name
        files["glb"] = mesh
    if assets:
        merged = merge_splats(assets)
        wanted: tuple[SceneFormat, ...] = ("ply", *request.formats)
        for name in dict.fromkeys(wanted):
            if name != "glb":
                codec = SPLAT_CODECS[name]
                data = codec.write(merged)
                files[name] = context.save(
                    f"scene.{codec.extension}", codec.role, codec.media_type, data
                ).name
        splat = files["ply"]
    result = SceneResult(
        width=image.width,
        height=image.height,
        camera=to_wire_camera(camera),
        nodes=nodes,
        mesh=mesh,
        splat=splat,
        files=files,
        failures=failures + missing,
    )
    context.save("layout.json", "layout", "application/json", result.model_dump_json(indent=1).encode())
    return context.build_manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text, "contact": request.contact},
        seed=request.seed,
        reason=None if nodes else "nothing in the image matches the prompts",
        flags=_flags(nodes, scaled=stage is not None),
    )


def _flags(nodes: list[SceneNode], *, scaled: bool) -> list[str]:
    if not nodes:
        return ["nothing_found"]
    several = sum(node.kind == "object" for node in nodes) > 1
    # without a body nothing tells how far one object is behind another
    return ["relative_depth_between_nodes"] if several and not scaled else []
