"""What a bodies job says about people and their hands, for engines that accept it."""

from collections.abc import Sequence

from maquette.contract import BodiesJob, PersonPrompt

from workers.engines.protocols import BodyControls, PersonHints
from workers.jobs.bodies.recovery import PersonRegion

REFINED = {"both": (True, True), "left": (True, False), "right": (False, True), "none": (False, False)}


def read_controls(request: BodiesJob, regions: Sequence[PersonRegion] = ()) -> BodyControls | None:
    """The controls for `regions`; None where the request says nothing."""
    prompts = [person for person in request.people if person is not None]
    if not prompts and request.hands is None and request.max_wrist_angle is None:
        return None
    return BodyControls(
        people=tuple(_to_hints(request.people[region.index]) for region in regions) if prompts else (),
        refined=None if request.hands is None else REFINED[request.hands],
        max_wrist_angle=request.max_wrist_angle,
    )


def _to_hints(person: PersonPrompt | None) -> PersonHints:
    if person is None:
        return PersonHints()
    return PersonHints(
        keypoints=tuple((keypoint.name, keypoint.x, keypoint.y) for keypoint in person.keypoints),
        left_hand=None if person.left_hand is None else person.left_hand.xyxy(),
        right_hand=None if person.right_hand is None else person.right_hand.xyxy(),
    )
