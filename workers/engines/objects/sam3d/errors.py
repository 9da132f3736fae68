"""What can go wrong with SAM 3D Objects; importable without its environment."""

from workers.engines.weights import WeightsMissing

LICENCE = "SAM License"
HUB_ID = "facebook/sam-3d-objects"

_HELP = (
    f"SAM 3D Objects' weights are gated, under the {LICENCE}: accept it on the model page of {HUB_ID} "
    "with your own account, download its checkpoints and set MAQUETTE_SAM3D_OBJECTS_CONFIG to pipeline.yaml; "
    "docs/sam3d-objects.md has the rest"
)


class Sam3dObjectsUnavailable(WeightsMissing):
    """The engine cannot run here; the message says why, names the gate and the licence, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. {_HELP}.")


class Sam3dObjectsContractError(RuntimeError):
    """Upstream's answer does not have the recorded form: another version, perhaps."""
