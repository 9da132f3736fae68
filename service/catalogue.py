"""Engines that are known although no worker has them: they need weights or hardware from the operator."""

from maquette.contract import Engine
from maquette.contract.capabilities import SAM3, SAM3D_BODY, SAM3D_BODY_CONTROLS, SAM3D_OBJECTS

SAM_LICENCE = "SAM License (gated weights)"


def _explain(engine: str) -> dict[str, str]:
    """What is missing for an engine, with the command that adds it."""
    pull = f"HF_TOKEN=hf_… docker compose run --build --rm pull-models {engine}"
    worker = f"docker compose --profile gpu up --build --detach worker-{engine.replace('_', '-')}"
    return {"weights": pull, "worker": worker}


KNOWN: tuple[Engine, ...] = (
    Engine(
        name="sam3",
        kind="concepts",
        available=False,
        why_not="no worker with SAM 3 is connected; it needs the gated weights facebook/sam3",
        licence=SAM_LICENCE,
        capabilities=[*SAM3],
        missing=_explain("sam3"),
    ),
    Engine(
        name="sam3d_objects",
        kind="objects",
        available=False,
        why_not="no worker with SAM 3D Objects is connected; it needs a GPU and facebook/sam-3d-objects",
        licence=SAM_LICENCE,
        capabilities=[*SAM3D_OBJECTS],
        missing=_explain("sam3d_objects"),
    ),
    Engine(
        name="sam3d_body",
        kind="bodies",
        available=False,
        why_not="no worker with SAM 3D Body is connected; it needs a GPU and its gated weights",
        licence=SAM_LICENCE,
        capabilities=[*SAM3D_BODY, *SAM3D_BODY_CONTROLS["full"]],
        missing=_explain("sam3d_body"),
    ),
)
