"""What can go wrong before SAM 3 has looked at a pixel; importable without torch."""

from maquette.contract import Problem

from workers.engines.concepts.sam3.settings import HUB_ID, PATH_VARIABLE
from workers.engines.protocols import RequestRefused
from workers.engines.weights import WeightsMissing

LICENCE = "SAM License"

_HELP = (
    f"SAM 3's weights are gated and come under the {LICENCE}: read and accept it on the model page of "
    f"{HUB_ID} with your own account, then either set HF_TOKEN to a token of that account, or download the "
    f"files once and set {PATH_VARIABLE} to their folder (config.json and *.safetensors; works offline too)"
)


class Sam3Unavailable(WeightsMissing):
    """The weights cannot be had; the message says why, names the gate and the licence, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. {_HELP}.")


class KernelMissing(RuntimeError):
    """transformers would skip NMS, hole filling and sprinkle removal without a word."""


class PhraseRejected(RequestRefused):
    """A phrase that SAM 3 cannot read: empty, or longer than its text encoder."""

    def __init__(self, code: str, phrase: str, detail: str) -> None:
        super().__init__(Problem.from_code(code, 422, detail, phrase=phrase))


class ObjectUnknown(RequestRefused):
    """A click for an object that neither a click has started nor a phrase follows."""

    def __init__(self, number: int, frame: int) -> None:
        super().__init__(
            Problem.from_code(
                "object_unknown",
                422,
                f"a click on frame {frame} is for object {number}, which nothing follows there",
                object=number,
                frame=frame,
            )
        )
