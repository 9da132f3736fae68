"""The names of MHR's 70 keypoints, in the order of SAM 3D Body's outputs."""

_FINGER = ("tip", "first_joint", "second_joint", "third_joint")


def _hand(side: str) -> tuple[str, ...]:
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    return (*(f"{side}_{finger}_{part}" for finger in fingers for part in _FINGER), f"{side}_wrist")


MHR_70: tuple[str, ...] = (
    "nose",
    *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe_tip", "small_toe_tip", "heel")),
    *_hand("right"),
    *_hand("left"),
    *(f"{side}_{part}" for part in ("olecranon", "cubital_fossa", "acromion") for side in ("left", "right")),
    "neck",
)
RIGHT_HAND = slice(21, 42)
