"""Refuses what no connected worker can do for want of an optional package, before it is queued."""

from collections.abc import Iterator

from maquette.contract import ConvertJob, JobRequest, ObjectsJob

from service.problems import ServiceProblem
from storage.ledger import WorkerRow

# feature -> what it is, for people; the names are those of workers/engines/extras.py
DESCRIPTIONS = {
    "usdz": "the format 'usdz'",
    "camera_estimation": "estimating the cameras of a video (or give 'world_from_cam')",
}


def check_features(request: JobRequest, workers: list[WorkerRow]) -> None:
    """Raise ServiceProblem `extra_missing` where each of the workers lacks a feature that a request needs.

    Without a worker nothing is known, and nothing refused.
    """
    missing = [_list_missing(worker) for worker in workers]
    for feature in _list_features(request):
        if missing and all(feature in lacks for lacks in missing):
            detail = f"{DESCRIPTIONS[feature]} needs a package that the workers lack: {missing[0][feature]}"
            raise ServiceProblem("extra_missing", 422, detail)


def _list_features(request: JobRequest) -> Iterator[str]:
    if isinstance(request, ObjectsJob | ConvertJob) and "usdz" in request.formats:
        yield "usdz"
    if isinstance(request, ObjectsJob) and request.multiview and request.world_from_cam is None:
        yield "camera_estimation"


def _list_missing(worker: WorkerRow) -> dict[str, str]:
    return {name: how for engine in worker.engines for name, how in engine.get("missing", {}).items()}
