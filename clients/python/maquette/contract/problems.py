"""RFC 9457 problem details: every error carries a stable code and says what to do."""

import warnings
from typing import Any

from pydantic import ConfigDict

from maquette.contract.base import ResponseModel

MEDIA_TYPE = "application/problem+json"


class FieldError(ResponseModel):
    """One field that is wrong: `loc` is its path in the request."""

    loc: list[str | int]
    message: str


class Problem(ResponseModel):
    """`code` never changes its meaning; `detail` is a sentence for a person."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] | None = None

    @classmethod
    def from_code(cls, code: str, status: int, detail: str, **extra: Any) -> "Problem":
        """Build a problem whose type and title follow from its code."""
        title = code.replace("_", " ").capitalize()
        return cls(
            type=f"urn:maquette:problem:{code}", title=title, status=status, code=code, detail=detail, **extra
        )

    @classmethod
    def of(cls, code: str, status: int, detail: str, **extra: Any) -> "Problem":
        """Deprecated name of `from_code`."""
        warnings.warn("Problem.of is now Problem.from_code", DeprecationWarning, stacklevel=2)
        return cls.from_code(code, status, detail, **extra)
