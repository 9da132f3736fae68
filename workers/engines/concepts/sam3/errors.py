"""What can go wrong before SAM 3 has read a pixel; importable without torch."""

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
    """The weights are not available; the message says why, names the gate and the licence, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. {_HELP}.")


class KernelMissing(RuntimeError):
    """transformers would silently skip NMS, hole filling and speck removal."""


class PhraseRejected(RequestRefused):
    """A phrase that SAM 3 cannot read: empty, or longer than its text encoder."""

    def __init__(self, code: str, phrase: str, detail: str) -> None:
        super().__init__(Problem.from_code(code, 422, detail, phrase=phrase))


class ObjectUnknown(RequestRefused):
    """A visual prompt for an object that no earlier prompt has started and no phrase tracks."""

    def __init__(self, number: int, frame: int) -> None:
        super().__init__(
            Problem.from_code(
                "object_unknown",
                422,
                f"a visual prompt on frame {frame} is for object {number}, which is not tracked there",
                object=number,
                frame=frame,
            )
        )
