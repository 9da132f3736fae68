"""Scene: objects and bodies of one image in one camera frame."""

from maquette.contract import Manifest, Pose, SceneJob, SceneNode, SceneResult
from maquette.contract.jobs import Prompted

from workers.formats.overlay import overlay_png
from workers.jobs import lifting, people, prompting
from workers.jobs.cameras import camera_of, wire_camera, wire_pose
from workers.jobs.context import JobContext
from workers.jobs.prompting import wire_box
from workers.jobs.scene_files import scene_glb, scene_splat_ply

IDENTITY = Pose(rotation_wxyz=(1, 0, 0, 0), translation=(0, 0, 0), scale=1)


def run(context: JobContext, request: SceneJob) -> Manifest:
    """Lift everything the phrases name; people become bodies, the rest objects."""
    image = context.image(request.image)
    found = prompting.find(context, image, Prompted(text=request.text, threshold=request.threshold))
    humans = [item for item in found if item.label == "person"]
    things = [item for item in found if item.label != "person"]
    lifted, failures = lifting.lift(context, image, things, request.camera, request.seed)
    boxes, masks = [item.box for item in humans], [item.mask for item in humans]
    persons, missing = people.recover(context, image, boxes, masks, request.camera, request.seed)
    context.progress("write", message="writing the scene")
    overlay = overlay_png(image.pixels, [i.mask for i in found], [i.label or "" for i in found])
    context.save("overlay.png", "overlay", "image/png", overlay)
    nodes = [
        SceneNode(
            name=item.name,
            kind="object",
            label=item.found.label,
            box=wire_box(item.found.box),
            pose=wire_pose(item.asset.pose),
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
            box=wire_box(person.body.box),
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
    if nodes:
        data = scene_glb(assets, bodies)
        mesh = context.save("scene.glb", "mesh", "model/gltf-binary", data).name
    if assets:
        splat = context.save("scene.ply", "splat", "application/x-ply", scene_splat_ply(assets)).name
    result = SceneResult(
        width=image.width,
        height=image.height,
        camera=wire_camera(camera_of(image, request.camera)),
        nodes=nodes,
        mesh=mesh,
        splat=splat,
        failures=failures + missing,
    )
    context.save("layout.json", "layout", "application/json", result.model_dump_json(indent=1).encode())
    mixed = bool(assets) and bool(bodies)
    return context.manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text},
        seed=request.seed,
        reason=None if nodes else "nothing in the image matches the prompts",
        flags=([] if nodes else ["nothing_found"]) + (["relative_depth_between_nodes"] if mixed else []),
    )
