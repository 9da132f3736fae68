"""Errors and warnings of reading a dataset."""

from collections.abc import Mapping

from maquette.errors import MaquetteError


class LeftOutWarning(UserWarning):
    """Samples were left out for a reason that the caller did not choose; it has counts and reasons."""


class DataError(MaquetteError):
    """A dataset cannot be read; `code` is one of dataset_missing, dataset_broken, dataset_incompatible,
    dataset_empty, sizes_differ and extra_missing.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail

    @classmethod
    def missing(cls, library: str) -> "DataError":
        """The error of a library that is not installed."""
        return cls("extra_missing", f"{library} is missing: pip install 'maquette[data]'")


def format_left_out(counts: Mapping[str, int]) -> str:
    """Return counts by reason as text."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())
