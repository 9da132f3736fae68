"""Refuses options that no connected engine would take, before a job is queued; workers refuse the same.

Without a worker that has an engine of the kind nothing is known, and nothing refused.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from maquette.contract import JobRequest
from maquette.contract.requests import EngineOption, list_lacking

from service.problems import ServiceProblem
from storage.ledger import WorkerRow


def takes_options(options: Sequence[EngineOption], workers: Iterable[WorkerRow]) -> bool:
    """Whether one of the workers is known to take all of these options."""
    return any(_list_refused(options, worker) == [] for worker in workers)


def check_engine_options(
    request: JobRequest, candidates: Iterable[WorkerRow], connected: Iterable[WorkerRow]
) -> None:
    """Raise ServiceProblem (422) where each worker of a job's queue lacks an option of the request.

    `candidates` are the workers of the queue, `connected` all, among which the problem names engines.
    """
    options = list(request.engine_options())
    known = [each for worker in candidates if (each := _list_refused(options, worker)) is not None]
    if not known or [] in known:
        return
    option, engine = min(known, key=len)[0]
    able = sorted(
        {
            info["name"]
            for worker in connected
            for info in worker.engines
            if _is_of_kind(info, option) and not list_lacking([option], info.get("capabilities", ()))
        }
    )
    hint = f"connected are {', '.join(able)}" if able else "none is connected"
    detail = f"{option.explain_refusal(engine)}; {hint}"
    raise ServiceProblem(option.code, 422, detail, capability=option.capability, engines=able)


def _list_refused(
    options: Sequence[EngineOption], worker: WorkerRow
) -> list[tuple[EngineOption, str]] | None:
    """The options that a worker lacks, with the engine's name; None where nothing can be said of it."""
    if worker.draining:
        # another worker, perhaps with other engines, takes its jobs
        return None
    refused = []
    for option in options:
        info = next((info for info in worker.engines if _is_of_kind(info, option)), None)
        if info is None:
            return None
        if list_lacking([option], info.get("capabilities", ())):
            refused.append((option, info["name"]))
    return refused


def _is_of_kind(info: dict[str, Any], option: EngineOption) -> bool:
    return info["kind"] == option.engine and bool(info["available"])
