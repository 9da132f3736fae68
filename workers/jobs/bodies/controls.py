"""What a bodies job says about people and their hands, for engines that accept it."""

from collections.abc import Sequence

from maquette.contract import BodiesJob, PersonPrompt

from workers.engines.protocols import BodyControls, EngineInfo, PersonHints
from workers.jobs.bodies.recovery import PersonRegion
from workers.jobs.capabilities import require_capability
from workers.jobs.context import JobContext

REFINED = {"both": (True, True), "left": (True, False), "right": (False, True), "none": (False, False)}


def read_controls(
    info: EngineInfo, request: BodiesJob, regions: Sequence[PersonRegion] = ()
) -> BodyControls | None:
    """The controls for `regions`; None where the request says nothing.

    Raises JobProblem (`body_prompts_unsupported`, `hand_refinement_unsupported`) for what the engine does not
    have.
    """
    prompts = [person for person in request.people if person is not None]
    has_hands = any(person.left_hand or person.right_hand for person in prompts)
    if prompts:
        require_capability(info, "body_prompts", "people")
    if has_hands or request.hands is not None or request.max_wrist_angle is not None:
        option = "people" if has_hands else "max_wrist_angle" if request.hands is None else "hands"
        require_capability(info, "hand_refinement", option)
    if not prompts and request.hands is None and request.max_wrist_angle is None:
        return None
    return BodyControls(
        people=tuple(_to_hints(request.people[region.index]) for region in regions) if prompts else (),
        refined=None if request.hands is None else REFINED[request.hands],
        max_wrist_angle=request.max_wrist_angle,
    )


def check_controls(context: JobContext, request: BodiesJob) -> None:
    """Raise JobProblem for what the engine does not have, before anything is computed."""
    if any(request.people) or request.hands is not None or request.max_wrist_angle is not None:
        read_controls(context.engines.bodies().info, request)


def _to_hints(person: PersonPrompt | None) -> PersonHints:
    if person is None:
        return PersonHints()
    return PersonHints(
        keypoints=tuple((keypoint.name, keypoint.x, keypoint.y) for keypoint in person.keypoints),
        left_hand=None if person.left_hand is None else person.left_hand.xyxy(),
        right_hand=None if person.right_hand is None else person.right_hand.xyxy(),
    )
