"""Refuses what the engines of this worker do not take, before anything is computed.

The gateway refuses the same where it knows the workers; a worker may have been restarted with another engine.
"""

from maquette.contract import JobRequest
from maquette.contract.requests import list_lacking

from workers.engines.registry import EngineSet
from workers.errors import JobProblem


def check_engine_options(engines: EngineSet, request: JobRequest) -> None:
    """Raise JobProblem (422) for an option of the request that its engine lacks, EngineUnavailable."""
    for option in request.engine_options():
        info = engines.describe_engine(option.engine)
        if list_lacking([option], info.capabilities):
            raise JobProblem(option.code, option.explain_refusal(info.name))
