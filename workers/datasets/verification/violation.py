"""What verification reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that is wrong with a dataset: a stable code, where, and what."""

    code: str
    where: str
    detail: str
