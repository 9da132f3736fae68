"""Why a job ends early."""

from typing import Any

from maquette.contract import Problem

from storage.ledger.leases import Order


class JobProblem(Exception):
    """The job cannot succeed, for a reason the client can read."""

    def __init__(self, code: str, detail: str, status: int = 422, **extra: Any) -> None:
        super().__init__(detail)
        self.problem = Problem.of(code, status, detail, **extra)


class Stopped(Exception):
    """The ledger told this worker to stop the job."""

    def __init__(self, order: Order) -> None:
        super().__init__(order.value)
        self.order = order
