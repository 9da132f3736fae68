"""How exactly and how fast SAM 3 by transformers computes: a profile, and what a setting says beside it."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16", "autocast"]
ProfileName = Literal["exact", "fast"]
Attention = Literal["sdpa", "flash", "eager"]
Compile = Literal["off", "default", "reduce-overhead", "max-autotune"]

PRECISIONS: dict[str, Precision] = {
    "float32": "float32",
    "fp32": "float32",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "autocast": "autocast",
}
# frames of a video per pass on a GPU; a single frame keeps a CPU busy. Chosen, not measured: no GPU has run
# it
GPU_BATCH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a profile and the explicit settings come to on one kind of device.

    `tf32` lets float32 matrices and convolutions of a GPU use TF32; `batch` is the frames of a video per pass
    of backbone and detector.
    """

    name: ProfileName
    precision: Precision
    tf32: bool
    attention: Attention = "sdpa"
    compile: Compile = "off"
    batch: int = 1

    def as_settings(self) -> dict[str, str | int | bool]:
        """The profile as `GET /v1/engines` lists it."""
        return {
            "profile": self.name,
            "dtype": self.precision,
            "tf32": self.tf32,
            "attention": self.attention,
            "compile": self.compile,
            "batch": self.batch,
        }

    def label(self) -> str:
        """The profile's name and what differs from it, for the engine's version: each changes roundings."""
        plain = find_profile(self.name, "cuda")
        words = [
            self.name,
            # on a CPU both profiles compute as their precision says
            self.precision if self.precision != plain.precision else "",
            "tf32" if self.tf32 and not plain.tf32 else "",
            self.attention if self.attention != "sdpa" else "",
            f"compile-{self.compile}" if self.compile != "off" else "",
            # sums of a batch are rounded in another order
            f"batch-{self.batch}" if self.batch > 1 else "",
        ]
        return " ".join(filter(None, words))


def find_profile(name: str, device: str) -> Profile:
    """The profile of that name on a type of device; `auto` is `fast` on a GPU and `exact` on a CPU."""
    on_gpu = device != "cpu"
    if name == "auto":
        name = "fast" if on_gpu else "exact"
    if name == "exact":
        return Profile(name="exact", precision="float32", tf32=False)
    return Profile(name="fast", precision="autocast", tf32=on_gpu, batch=GPU_BATCH if on_gpu else 1)


def find_precision(name: str) -> Precision:
    """The precision of a setting other than `auto`; raises ValueError for an unknown name."""
    if name not in PRECISIONS:
        raise ValueError(f"dtype {name!r} is none of auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
