"""Problem details (RFC 9457): every error carries a stable code and says what to do."""

import warnings
from typing import Any

from pydantic import ConfigDict

from maquette.contract.base import ResponseModel

MEDIA_TYPE = "application/problem+json"


class FieldError(ResponseModel):
    """One invalid field of a request."""

    loc: list[str | int]
    """Path of the field in the request."""
    message: str


class Problem(ResponseModel):
    """An error of a request or a job."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    """HTTP status."""
    code: str
    """Stable code; its meaning never changes."""
    detail: str
    """A sentence for a person."""
    errors: list[FieldError] | None = None
    """The invalid fields of a request."""
    suggestions: list[str] | None = None
    """Known words that are spelt like an unknown one."""
    vocabulary: list[str] | None = None
    """All words that are known, where one was not."""

    @classmethod
    def from_code(cls, code: str, status: int, detail: str, **extra: Any) -> "Problem":
        """Build a problem whose type and title follow from its code."""
        title = code.replace("_", " ").capitalize()
        return cls(
            type=f"urn:maquette:problem:{code}", title=title, status=status, code=code, detail=detail, **extra
        )

    def explain(self) -> str:
        """Return the detail and, line by line, further errors, the nearest words and all known ones."""
        lines = [self.detail]
        # the first error is the detail
        lines += [f"{'.'.join(map(str, error.loc))}: {error.message}" for error in (self.errors or [])[1:]]
        if self.suggestions:
            lines.append(f"did you mean {' or '.join(self.suggestions)}?")
        if self.vocabulary:
            lines.append(f"known are {', '.join(self.vocabulary)}")
        return "\n".join(lines)

    @classmethod
    def of(cls, code: str, status: int, detail: str, **extra: Any) -> "Problem":
        """Deprecated name of `from_code`."""
        warnings.warn("Problem.of is now Problem.from_code", DeprecationWarning, stacklevel=2)
        return cls.from_code(code, status, detail, **extra)
