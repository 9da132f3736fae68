"""Errors of SAM 3D Body; importable without its environment."""

from workers.engines.weights import WeightsMissing

LICENCE = "SAM License"
HUB_IDS = ("facebook/sam-3d-body-dinov3", "facebook/sam-3d-body-vith")

_HELP = (
    f"SAM 3D Body's weights are gated and come under the {LICENCE}: accept it on the model page of "
    f"{HUB_IDS[0]} or {HUB_IDS[1]} with your own account, download model.ckpt and model_config.yaml into one "
    "folder and set MAQUETTE_SAM3D_BODY_CHECKPOINT to model.ckpt; docs/sam3d-body.md has the rest"
)


class Sam3dBodyUnavailable(WeightsMissing):
    """The engine cannot run here; the message says why, names the gate and the licence, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. {_HELP}.")


class Sam3dBodyContract(RuntimeError):
    """Upstream's answer differs from the recorded one: another version, or another rig."""
