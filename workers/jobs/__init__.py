"""The kinds of job: what each reads, which engines it calls, what it writes."""

from collections.abc import Callable
from typing import Any

from maquette.contract import JobRequest, Manifest

from workers.jobs import bodies, dataset, objects, scene, segment, track
from workers.jobs.context import JobContext

KINDS: dict[str, Callable[[JobContext, Any], Manifest]] = {
    "segment": segment.run,
    "track": track.run,
    "objects": objects.run,
    "bodies": bodies.run,
    "scene": scene.run,
    "dataset": dataset.run,
}


def run_kind(context: JobContext, request: JobRequest) -> Manifest:
    """Run a request of any kind; raises JobProblem, MediaError or Stopped."""
    return KINDS[request.kind](context, request)
