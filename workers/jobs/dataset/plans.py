"""The plan that makes the version of a job again; it is no part of the version."""

from collections.abc import Mapping, Sequence

from maquette.contract import Artefact, DatasetJob
from maquette.contract.datasets import Review
from maquette.dataset_plan import (
    PLAN_FILE,
    DatasetPlan,
    PlanError,
    extend_plan,
    format_plan,
    parse_plan,
    plan_exports,
)

from workers.jobs.context import JobContext
from workers.jobs.dataset.workspace import JobWorkspace

MEDIA_TYPE = "application/toml"


def store_plan(workspace: JobWorkspace, plan: DatasetPlan) -> None:
    """Make a plan an artefact of the job."""
    workspace.store(PLAN_FILE, "document", MEDIA_TYPE, format_plan(plan).encode())


def store_regated_plan(
    context: JobContext,
    workspace: JobWorkspace,
    request: DatasetJob,
    reviews: Sequence[Review],
    artefacts: Mapping[str, Artefact],
) -> None:
    """Make the plan of an earlier job an artefact of this one, which decides its version again.

    Jobs of earlier releases have no plan, or one that this release does not read: nothing is stored.
    """
    earlier = artefacts.get(PLAN_FILE)
    if earlier is None:
        return
    try:
        plan = parse_plan(context.get(earlier.sha256).decode())
    except PlanError:
        return
    output = plan_exports(request)
    plan = extend_plan(plan, request.gates, reviews, output=output, publish=request.publish)
    store_plan(workspace, plan)
