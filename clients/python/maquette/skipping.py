"""Inputs that cannot be used: one bad file among many is named, left out and reported."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maquette.errors import ApiError, JobCancelled, JobFailed, MaquetteError, OutputExists

FILE_UNREADABLE = "file_unreadable"
# problems of one file, or of how a request fits it; all others concern every file
FILE_PROBLEMS = frozenset(
    {
        "artefact_gone", "camera_implausible", "decoding_crashed", "decoding_stopped", "decoding_too_slow",
        "depth_frame_mismatch", "depth_mismatch", "digest_mismatch", "frame_beyond_end", "image_broken",
        "image_range_unknown", "image_too_large", "mask_size_mismatch", "media_too_costly", "not_a_video",
        "not_an_asset", "not_an_image", "prompt_never_reached", "prompt_outside_image", "unsupported_media",
        "upload_empty", "upload_too_large", "url_failed", "url_not_allowed", "video_broken", "video_empty",
        "video_size_changes", "video_too_large", "video_too_long",
    }
)  # fmt: skip


class InputRefused(MaquetteError):
    """An input cannot be used; `code` is the problem's, the message names the input."""

    def __init__(self, detail: str, code: str = FILE_UNREADABLE) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class SkippedInput:
    """An input that was left out, and why; `code` is that of the problem, or `file_unreadable`."""

    name: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.code}: {self.detail}"


def to_skipped(name: str, error: Exception) -> SkippedInput:
    """Return why an input is left out; raises the error again if it is not about this input alone."""
    if isinstance(error, JobFailed) or (isinstance(error, ApiError) and error.code in FILE_PROBLEMS):
        detail = error.problem.detail.removeprefix(f"{Path(name).name}: ")
        return SkippedInput(name, error.code, detail)
    if isinstance(error, JobCancelled):
        return SkippedInput(name, error.code, str(error))
    if isinstance(error, OSError | InputRefused | OutputExists):
        return SkippedInput(name, getattr(error, "code", FILE_UNREADABLE), str(error))
    raise error


def record_reason(reasons: dict[str, str], name: str, code: str) -> None:
    """Add an input's code to the reasons by name; a name that is taken gets a number."""
    label, number = name, 1
    while label in reasons:
        number += 1
        label = f"{name} ({number})"
    reasons[label] = code


def refuse_all(skipped: Iterable[SkippedInput]) -> InputRefused:
    """Return the error for a request of which no input is left."""
    items = list(skipped)
    lines = [str(item) for item in items]
    text = lines[0] if len(lines) == 1 else "\n".join(["no input can be used:", *lines])
    return InputRefused(text, items[0].code)
