"""The plan of a version that was decided again."""

from collections.abc import Iterable, Mapping

from maquette.contract.datasets import Bounds, GateName, Review
from maquette.dataset_plan.schema import DatasetPlan, PlanOutput, PlanRegate


def extend_plan(
    plan: DatasetPlan,
    gates: Mapping[GateName, Bounds],
    reviews: Iterable[Review],
    *,
    output: PlanOutput | None = None,
    publish: str | None = None,
) -> DatasetPlan:
    """Return the plan that makes the version of a plan, and decides it by bounds and by hand.

    `output` and `publish` are where the new version goes: that of the plan stays what it is.
    """
    regate = PlanRegate(gates=dict(gates), reviews=list(reviews))
    changed = {"regates": [*plan.regates, regate], "output": output or PlanOutput(), "publish": publish}
    return plan.model_copy(update=changed)
