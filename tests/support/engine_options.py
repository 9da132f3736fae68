"""Options that only some engines take: a request and a command for each, and the engines that take it."""

from collections.abc import Iterator
from typing import Any

from maquette.contract.capabilities import (
    SAM3,
    SAM3_SHARED,
    SAM3D_BODY,
    SAM3D_BODY_CONTROLS,
    SAM3D_OBJECTS,
)

from workers.engines.objects.default import DefaultObjects

Fields = dict[str, Any]
BOX = {"x0": 2, "y0": 2, "x1": 20, "y1": 20}
MASK = {"size": [30, 40], "counts": "n1b0<000000000000000000000000000000000fb0"}
PERSON = {"keypoints": [{"name": "left_wrist", "x": 5, "y": 5}]}
HANDS = {"left_hand": BOX}
EXEMPLAR = {"frame": 1, "box": BOX}
CORNERS = "2,2,20,20"
# what each engine lists; of the default one of concepts as `tests/workers/engines/concepts` has it
ENGINES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "default concepts": (
        "concepts",
        "default",
        ("phrases", "boxes", "points", "masks", "video", "video_masks", "exemplars", "cross_image_exemplars"),
    ),
    "sam3": ("concepts", "sam3", SAM3),
    "sam3 by Meta": ("concepts", "sam3", SAM3_SHARED),
    "default objects": ("objects", "default", DefaultObjects().info.capabilities),
    "sam3d_objects": ("objects", "sam3d_objects", SAM3D_OBJECTS),
    "default bodies": ("bodies", "default", ("image", "multi_person", "rig", "masks")),
    **{
        f"sam3d_body {mode}": ("bodies", "sam3d_body", (*SAM3D_BODY, *more))
        for mode, more in SAM3D_BODY_CONTROLS.items()
    },
}
BOTH = {"sam3", "sam3 by Meta"}
# the request, the words of the command line, the engines that take it, and the code of the others
Case = tuple[Fields, list[str], set[str], str]
CASES: dict[str, Case] = {
    "further images": (
        {"kind": "segment", "text": ["cat"], "images": [{"image": "blue"}]},
        ["segment", "red.png", "-t", "cat", "--images", "further.json"],
        BOTH,
        "image_batch_unsupported",
    ),
    "semantic maps": (
        {"kind": "segment", "text": ["cat"], "outputs": ["semantic"]},
        ["segment", "red.png", "-t", "cat", "--semantic"],
        BOTH,
        "semantic_map_unsupported",
    ),
    "overlap of instances": (
        {"kind": "segment", "text": ["cat"], "nms_iou": 0.5},
        ["segment", "red.png", "-t", "cat", "--nms-iou", "0.5"],
        BOTH,
        "mask_cleanup_unsupported",
    ),
    "holes": (
        {"kind": "segment", "text": ["cat"], "fill_area": 0},
        ["segment", "red.png", "-t", "cat", "--fill-area", "0"],
        BOTH,
        "mask_cleanup_unsupported",
    ),
    "exemplars of another image": (
        {"kind": "segment", "exemplars": [{"box": BOX, "image": "blue"}]},
        ["segment", "red.png", "-e", f"{CORNERS}@blue.png"],
        {"sam3", "default concepts"},
        "exemplars_other_image",
    ),
    "an exemplar in a video": (
        {"kind": "track", "text": ["cat"], "exemplars": [EXEMPLAR]},
        ["track", "clip.mp4", "-t", "cat", "-e", f"1,{CORNERS}"],
        BOTH,
        "exemplars_on_video_unsupported",
    ),
    "several exemplars in a video": (
        {"kind": "track", "text": ["cat"], "exemplars": [EXEMPLAR, {**EXEMPLAR, "frame": 2}]},
        ["track", "clip.mp4", "-t", "cat", "-e", f"1,{CORNERS}", "-e", f"2,{CORNERS}"],
        {"sam3"},
        "exemplars_too_many",
    ),
    "a counter-exemplar in a video": (
        {"kind": "track", "text": ["cat"], "exemplars": [{**EXEMPLAR, "positive": False}]},
        ["track", "clip.mp4", "-t", "cat", "--counter", f"1,{CORNERS}"],
        {"sam3"},
        "counter_exemplars_unsupported",
    ),
    "a mask in a video": (
        {"kind": "track", "prompts": [{"mask": MASK}]},
        ["track", "clip.mp4", "--prompts", "mask.json"],
        {"sam3", "default concepts"},
        "mask_prompt_unsupported",
    ),
    "stages of generation": (
        {"kind": "objects", "masks": [MASK], "generation": {"shape_steps": 9}},
        ["objects", "red.png", "--box", CORNERS, "--shape-steps", "9"],
        {"sam3d_objects"},
        "generation_unsupported",
    ),
    "a coarse shape": (
        {"kind": "objects", "masks": [MASK], "generation": {"coarse": True}},
        ["objects", "red.png", "--box", CORNERS, "--coarse"],
        {"sam3d_objects"},
        "generation_unsupported",
    ),
    "a coarse scene": (
        {"kind": "scene", "masks": [MASK], "generation": {"coarse": True}},
        ["scene", "red.png", "--box", CORNERS, "--coarse"],
        {"sam3d_objects"},
        "generation_unsupported",
    ),
    "a point map": (
        {"kind": "objects", "masks": [MASK], "outputs": ["pointmap"]},
        ["objects", "red.png", "--box", CORNERS, "--pointmap"],
        {"sam3d_objects"},
        "pointmap_unsupported",
    ),
    "the ground plane": (
        {"kind": "objects", "masks": [MASK], "ground": MASK},
        ["objects", "red.png", "--box", CORNERS, "--ground", "floor.png"],
        {"sam3d_objects"},
        "ground_plane_unsupported",
    ),
    "the ground plane of a scene": (
        {"kind": "scene", "masks": [MASK], "ground": MASK},
        ["scene", "red.png", "--box", CORNERS, "--ground", "floor.png"],
        {"sam3d_objects"},
        "ground_plane_unsupported",
    ),
    "many views": (
        {"kind": "objects", "video": "clip", "text": ["cat"], "multiview": True, "world_from_cam": "poses"},
        ["objects", "clip.mp4", "--text", "cat", "--multiview"],
        {"sam3d_objects", "default objects"},
        "multiview_unsupported",
    ),
    "key points": (
        {"kind": "bodies", "boxes": [BOX], "people": [PERSON]},
        ["bodies", "red.png", "--box", CORNERS, "--people", "person.json"],
        {"sam3d_body full", "sam3d_body body"},
        "body_prompts_unsupported",
    ),
    "hand boxes": (
        {"kind": "bodies", "boxes": [BOX], "people": [{**PERSON, **HANDS}]},
        ["bodies", "red.png", "--box", CORNERS, "--people", "hands.json"],
        {"sam3d_body full"},
        "hand_refinement_unsupported",
    ),
    "one hand": (
        {"kind": "bodies", "boxes": [BOX], "hands": "left"},
        ["bodies", "red.png", "--box", CORNERS, "--hands", "left"],
        {"sam3d_body full"},
        "hand_refinement_unsupported",
    ),
    "the wrist's angle": (
        {"kind": "bodies", "boxes": [BOX], "max_wrist_angle": 1.0},
        ["bodies", "red.png", "--box", CORNERS, "--max-wrist-angle", "1"],
        {"sam3d_body full"},
        "hand_refinement_unsupported",
    ),
}
# where an engine lacks what an option builds on, it says so
MORE_GENERAL = {
    "several exemplars in a video": "an exemplar in a video",
    "a counter-exemplar in a video": "an exemplar in a video",
    "hand boxes": "key points",
}
KINDS = {"segment": "concepts", "track": "concepts", "bodies": "bodies"}


def expect_code(name: str, engine: str) -> str:
    """The code with which an engine refuses a case."""
    general = MORE_GENERAL.get(name, name)
    return CASES[name if engine in CASES[general][2] else general][3]


def list_pairs() -> Iterator[tuple[str, str]]:
    """Each option with each engine of its kind."""
    for name, (fields, *_) in CASES.items():
        kind = KINDS.get(fields["kind"], "objects")
        yield from ((name, engine) for engine, (other, *_) in ENGINES.items() if other == kind)
