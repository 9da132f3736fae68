"""Bodies: people of an image to rigged meshes."""

from maquette.contract import BodiesJob, BodiesResult, Manifest
from maquette.contract.jobs import Prompted

from workers.formats.overlay import png
from workers.jobs import people, prompting
from workers.jobs.context import JobContext, LoadedImage
from workers.jobs.previews import bodies_overlay
from workers.jobs.sources import image_of


def run(context: JobContext, request: BodiesJob) -> Manifest:
    """Find or take the people, then recover a body for each."""
    image, earlier = image_of(context, request)
    if earlier is not None:
        found = prompting.from_manifest(earlier, str(request.from_job))
    else:
        found = _asked(context, image, request)
    boxes = [item.box for item in found]
    masks = None if request.boxes and not request.masks else [item.mask for item in found]
    persons, failures = people.recover(context, image, boxes, masks, request.camera, request.seed)
    context.progress("write", message="writing rigged meshes")
    overlay = bodies_overlay(image.pixels, [person.body for person in persons])
    context.save("overlay.png", "overlay", "image/png", png(overlay))
    result = BodiesResult(
        width=image.width,
        height=image.height,
        bodies=[people.write(context, person) for person in persons],
        failures=failures,
    )
    if persons:
        reason = None
    elif found:
        reason = "no trustworthy body was found in the boxes"
    else:
        reason = "no person was found in the image"
    return context.manifest(
        result,
        parameters={},
        seed=request.seed,
        reason=reason,
        flags=[] if persons else ["nothing_found"],
        from_job=request.from_job,
    )


def _asked(context: JobContext, image: LoadedImage, request: BodiesJob) -> list[prompting.Found]:
    prompting.check_inside(request.boxes, [], image.width, image.height)
    if request.masks:
        return prompting.from_masks(request.masks, image)
    if request.boxes:
        everything = Prompted(boxes=request.boxes)
        found = prompting.find(context, image, everything)
        return [
            prompting.Found(item.mask, request.boxes[item.ref.index].xyxy(), None, "person", item.ref)
            for item in found
        ]
    return people.find_people(context, image)
