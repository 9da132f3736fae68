"""What can go wrong when a dataset is read."""

from maquette.errors import MaquetteError


class DataError(MaquetteError):
    """Codes: dataset_missing, dataset_broken, dataset_incompatible, dataset_empty, sizes_differ,
    extra_missing.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail

    @classmethod
    def missing(cls, library: str) -> "DataError":
        """A library that reading needs is not installed."""
        return cls("extra_missing", f"{library} is missing: pip install 'maquette[data]'")
