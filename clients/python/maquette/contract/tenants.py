"""What a tenant has on the service."""

from maquette.contract.base import ResponseModel


class Erasure(ResponseModel):
    """What was deleted of a tenant; the files are gone after the service's grace time."""

    jobs: int
    uploads: int
    sessions: int
    complete: bool
    """Whether nothing is left; false asks to send the request again."""
