"""Joints of known rigs under the names that Unity's humanoid and Mixamo use.

Unity: the HumanBodyBones enumeration without spaces. Mixamo: the joints of its standard skeleton, which the
files of Mixamo prefix with "mixamorig:".
"""

from collections.abc import Sequence

# Joint of the rig, Unity's name, Mixamo's name; "*" stands for the side.
Row = tuple[str, str, str]
ANNY: tuple[Row, ...] = (
    ("root", "Hips", "Hips"),
    ("spine04", "Spine", "Spine"),
    ("spine03", "Chest", "Spine1"),
    ("spine02", "UpperChest", "Spine2"),
    ("neck01", "Neck", "Neck"),
    ("head", "Head", "Head"),
    ("eye_*", "Eye", "Eye"),
    ("clavicle_*", "Shoulder", "Shoulder"),
    ("upperarm01_*", "UpperArm", "Arm"),
    ("lowerarm01_*", "LowerArm", "ForeArm"),
    ("wrist_*", "Hand", "Hand"),
    ("upperleg01_*", "UpperLeg", "UpLeg"),
    ("lowerleg01_*", "LowerLeg", "Leg"),
    ("foot_*", "Foot", "Foot"),
    ("toe2_1_*", "Toes", "ToeBase"),
)
MHR: tuple[Row, ...] = (
    ("root", "Hips", "Hips"),
    ("c_spine0", "Spine", "Spine"),
    ("c_spine1", "Chest", "Spine1"),
    ("c_spine3", "UpperChest", "Spine2"),
    ("c_neck", "Neck", "Neck"),
    ("c_head", "Head", "Head"),
    ("c_jaw", "Jaw", ""),
    ("*_eye", "Eye", "Eye"),
    ("*_clavicle", "Shoulder", "Shoulder"),
    ("*_uparm", "UpperArm", "Arm"),
    ("*_lowarm", "LowerArm", "ForeArm"),
    ("*_wrist", "Hand", "Hand"),
    ("*_upleg", "UpperLeg", "UpLeg"),
    ("*_lowleg", "LowerLeg", "Leg"),
    ("*_foot", "Foot", "Foot"),
    ("*_ball", "Toes", "ToeBase"),
)
PHALANGES = ("Proximal", "Intermediate", "Distal")
FINGERS = (
    ("1", "thumb", "Thumb", "HandThumb"),
    ("2", "index", "Index", "HandIndex"),
    ("3", "middle", "Middle", "HandMiddle"),
    ("4", "ring", "Ring", "HandRing"),
    ("5", "pinky", "Little", "HandPinky"),
)


def map_humanoid_joints(joint_names: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each joint that has one, its names as {"unity": ..., "mixamo": ...}; empty for an unknown rig."""
    known = set(joint_names)
    if {row[0] for row in ANNY if "*" not in row[0]} <= known:
        return _named(known, ANNY, "L", "R", "finger{number}_{phalanx}_*")
    if {"root", "c_spine0", "c_head"} <= known:
        return _named(known, MHR, "l", "r", "*_{finger}{phalanx}")
    return {}


def _named(
    known: set[str], rows: Sequence[Row], left: str, right: str, finger: str
) -> dict[str, dict[str, str]]:
    table = list(rows)
    for number, name, unity, mixamo in FINGERS:
        for k, phalanx in enumerate(PHALANGES, 1):
            joint = finger.format(number=number, finger=name, phalanx=k)
            table.append((joint, f"{unity}{phalanx}", f"{mixamo}{k}"))
    out = {}
    for joint, unity, mixamo in table:
        for letter, side in ((left, "Left"), (right, "Right")) if "*" in joint else (("", ""),):
            place = joint.replace("*", letter)
            if place in known:
                out[place] = {"unity": side + unity, **({"mixamo": side + mixamo} if mixamo else {})}
    return out
