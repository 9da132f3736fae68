"""Why a job, or an attempt at one, ends early."""

from collections.abc import Sequence
from typing import Any

from maquette.contract import Problem
from maquette.contract.datasets import FunnelStep

from storage.ledger import Part
from storage.ledger.leases import HeartbeatReply


class JobProblem(Exception):
    """The job cannot succeed, for a reason that the client can read."""

    def __init__(self, code: str, detail: str, status: int = 422, **extra: Any) -> None:
        super().__init__(detail)
        self.problem = Problem.from_code(code, status, detail, **extra)

    @classmethod
    def from_problem(cls, problem: dict[str, Any]) -> "JobProblem":
        """The problem of a part, as the ledger stores it."""
        stored = Problem.model_validate(problem)
        return cls(stored.code, stored.detail, stored.status)


class Parked(Exception):
    """The job continues when these parts of it are done, and holds no worker until then.

    `funnel` is what is known before they run; each part adds its own.
    """

    def __init__(self, parts: Sequence[Part], funnel: Sequence[FunnelStep] = ()) -> None:
        super().__init__(f"{len(parts)} parts")
        self.parts, self.funnel = parts, funnel


class RetryPart(Exception):
    """An attempt at a part failed for a reason that may not recur, here or on another worker."""


class Stopped(Exception):
    """The ledger wants this worker to stop the job; `reply` says how the job ends."""

    def __init__(self, reply: HeartbeatReply) -> None:
        super().__init__(reply.value)
        self.reply = reply
