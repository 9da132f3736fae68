"""What the weights of each engine are made of, and how they lie in its folder."""

from dataclasses import dataclass, field

SAM_LICENCE = "SAM License, https://github.com/facebookresearch/sam3/blob/main/LICENSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFiles:
    """Files of a repository on the Hugging Face hub, laid into `folder` of the target's folder.

    With `is_cached` they lie as in the hub's own cache, for upstream code that asks for the repository by its
    name. What is pulled is one commit, and every file has the sha256 that the hub states for it.
    """

    repository: str
    patterns: tuple[str, ...]
    folder: str = "."
    is_cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCode:
    """Code that upstream loads with `torch.hub` by the name of its repository: one commit of it."""

    repository: str
    commit: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One file of an address that has no versions: its sha256 is recorded when it is pulled first."""

    url: str
    path: str


@dataclass(frozen=True, slots=True)
class MhrAssets:
    """MHR's pinned archive, unpacked into `folder`."""

    folder: str


Component = HubFiles | SourceCode | PinnedFile | MhrAssets


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Everything that one engine reads; `is_gated` weights need an account that has accepted the licence."""

    name: str
    licence: str
    is_gated: bool
    components: tuple[Component, ...] = field(default=())


SAM3 = HubFiles(
    repository="facebook/sam3",
    patterns=("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "sam3.pt"),
)
# torch.hub looks for the branch `main` of a repository when it cannot ask for its name
DINOV2 = SourceCode(
    repository="facebookresearch/dinov2",
    commit="b8931f7bf91576930313be2c6d6af376033b35f0",
    folder="torch/hub/facebookresearch_dinov2_main",
)
DINOV3 = SourceCode(
    repository="facebookresearch/dinov3",
    commit="6876159a11b4df116f30f667f8c9888617df0751",
    folder="torch/hub/facebookresearch_dinov3_main",
)
TARGETS = {
    target.name: target
    for target in (
        ModelTarget("sam3", SAM_LICENCE, True, (SAM3,)),
        ModelTarget(
            "sam3.1",
            SAM_LICENCE,
            True,
            (SAM3, HubFiles(repository="facebook/sam3.1", patterns=("sam3.1_multiplex.pt",))),
        ),
        ModelTarget(
            "sam3d_objects",
            f"{SAM_LICENCE}; MoGe: MIT; DINOv2: Apache-2.0",
            True,
            (
                HubFiles(repository="facebook/sam-3d-objects", patterns=("checkpoints/*",)),
                HubFiles(
                    repository="Ruicheng/moge-vitl", patterns=("model.pt",), folder="hub/hub", is_cached=True
                ),
                DINOV2,
                PinnedFile(
                    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth",
                    path="torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth",
                ),
            ),
        ),
        ModelTarget(
            "sam3d_body",
            f"{SAM_LICENCE}; DINOv3 License, "
            "https://ai.meta.com/resources/models-and-libraries/dinov3-license; MoGe 2: MIT; MHR: Apache-2.0",
            True,
            (
                HubFiles(
                    repository="facebook/sam-3d-body-dinov3", patterns=("model.ckpt", "model_config.yaml")
                ),
                HubFiles(repository="Ruicheng/moge-2-vitl-normal", patterns=("model.pt",), folder="moge2"),
                DINOV3,
                MhrAssets("mhr"),
            ),
        ),
        ModelTarget("mhr", "Apache-2.0", False, (MhrAssets("."),)),
    )
}
