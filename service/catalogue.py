"""Engines that are known although no worker has them: they need weights or hardware from the operator."""

from maquette.contract import Engine

SAM_LICENCE = "SAM License (gated weights)"
KNOWN: tuple[Engine, ...] = (
    Engine(
        name="sam3",
        kind="concepts",
        available=False,
        why_not="no worker with SAM 3 is connected; it needs the gated weights facebook/sam3",
        licence=SAM_LICENCE,
        capabilities=["phrases", "boxes", "points", "video"],
    ),
    Engine(
        name="sam3d_objects",
        kind="objects",
        available=False,
        why_not="no worker with SAM 3D Objects is connected; it needs a GPU and facebook/sam-3d-objects",
        licence=SAM_LICENCE,
        capabilities=["mesh", "splat", "pose"],
    ),
    Engine(
        name="sam3d_body",
        kind="bodies",
        available=False,
        why_not="no worker with SAM 3D Body is connected; it needs a GPU and its gated weights",
        licence=SAM_LICENCE,
        capabilities=["mesh", "rig", "hands"],
    ),
)
