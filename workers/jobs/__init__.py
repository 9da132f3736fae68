"""The kinds of job: one package each, which says what it reads, which engines it calls and what it writes."""

from collections.abc import Callable
from typing import Any

from maquette.contract import JobRequest, Manifest

from workers.jobs.bodies import run as run_bodies
from workers.jobs.context import JobContext
from workers.jobs.convert import run as run_convert
from workers.jobs.dataset import run as run_dataset
from workers.jobs.dataset import run_part
from workers.jobs.engine_options import check_engine_options
from workers.jobs.objects import run as run_objects
from workers.jobs.scene import run as run_scene
from workers.jobs.segment import run as run_segment
from workers.jobs.track import run as run_track

__all__ = ["KINDS", "JobContext", "run_kind", "run_part"]

KINDS: dict[str, Callable[[JobContext, Any], Manifest]] = {
    "segment": run_segment,
    "track": run_track,
    "objects": run_objects,
    "bodies": run_bodies,
    "scene": run_scene,
    "convert": run_convert,
    "dataset": run_dataset,
}


def run_kind(context: JobContext, request: JobRequest) -> Manifest:
    """Run a request of any kind; raises JobProblem, MediaError or Stopped."""
    check_engine_options(context.engines, request)
    return KINDS[request.kind](context, request)
